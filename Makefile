# Works with GNU make 3.81 and up and with BSD make. `make PYTHON=...` names the Python to use,
# `make test ARGS='-k wire'` adds words to the command.

BIN = .venv/bin
SETUP = PYTHON='$(PYTHON)' scripts/setup

# What runs anywhere, as any user, in a few minutes; .ci/run runs the rest for real.
QUICK = not root and not engine and not slow

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

setup: ## .venv with this project and its tools
	@$(SETUP) dev

demo: ## three simulated hosts in a mesh on the screen, or verified line by line on a pipe
	@$(SETUP) run
	@$(BIN)/norouter demo $(ARGS)

test: ## the tests that need neither root nor a container engine
	@$(SETUP) dev
	@$(BIN)/python -m pytest -n 4 -m '$(QUICK)' $(ARGS)

check: ## lint, format, types, import contracts
	@$(SETUP) dev
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --check --quiet .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

bench: ## throughput, round trips and memory, against direct TCP and ssh -L
	@$(SETUP) dev
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv and what the tools left
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo test check bench clean
