# Works with GNU make 3.81 and later and with BSD make. `make PYTHON=...` chooses the Python,
# `make test ARGS='-k wire'` passes arguments on, and `make fuzz TARGET=manifest MINUTES=60` is long.

BIN = .venv/bin
SETUP = PYTHON='$(PYTHON)' scripts/setup

# The tests that run anywhere, as any user, in a few minutes; .ci/run runs all of them.
QUICK = not root and not engine and not slow and not native

# They start hundreds of programs, which must not compile all sources each time.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

# Of `make chaos` and `make fuzz`, which have defaults of their own.
TARGET =
MINUTES =
SEED =
TIMES = $(SEED:%=--seed %) $(MINUTES:%=--minutes %)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## create .venv with this project and its tools
	@$(SETUP) dev

demo: ## show a mesh of three simulated hosts, or check it line by line on a pipe
	@$(SETUP) run
	@$(BIN)/norouter demo $(ARGS)

test: ## run the tests that need neither root nor a container engine
	@$(SETUP) dev
	@$(PYTEST) -n 4 --dist worksteal -m '$(QUICK)' $(ARGS)

coverage: ## run these tests and print the branch coverage, agents in other processes excluded
	@$(SETUP) dev
	@$(PYTEST) -n 4 --dist worksteal -q -m '$(QUICK)' --cov $(ARGS)
	@$(BIN)/coverage report --include='norouter_core/*' --fail-under=90 --format=total

check: ## check lint rules, format, types and import contracts
	@$(SETUP) dev
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --check --quiet .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

bench: ## measure throughput, round trips and memory, also of direct TCP and ssh -L
	@$(SETUP) dev
	@$(BIN)/python -m benchmarks $(ARGS)

# By default on each of the two event loops, one after the other.
LOOP = both

chaos: ## run a mesh under traffic and faults and judge it; needs root (SEED=1 MINUTES=3 LOOP=asyncio|uvloop)
	@$(SETUP) dev
	@$(BIN)/python -m tests.chaos $(TIMES) --loop $(LOOP) $(ARGS)

fuzz: ## search for inputs that break a parser (TARGET=NAME MINUTES=1 SEED=7)
	@$(SETUP) fuzz
	@$(BIN)/python -m tests.fuzz $(TARGET) $(TIMES)

agents: ## the native agent for every platform, in dist/agents, by the Go on the PATH or one of PyPI
	@$(SETUP) run
	@command -v go >/dev/null || $(SETUP) agents
	@$(BIN)/python scripts/build_agents.py

wheel: agents ## a wheel with the native agents of all platforms, in dist
	@$(BIN)/python -m pip wheel -q --no-deps --wheel-dir dist .
	@ls -l dist/*.whl | awk '{ printf "%22.1f MiB  %s\n", $$5 / 1048576, $$NF }'

clean: ## remove .venv and the files that the tools left
	@rm -rf .venv .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo test coverage check bench chaos fuzz agents wheel clean
