"""The agent as one compressed program, made from its own import graph.

The bundle holds the modules of this project that `norouter_core.agent.main` imports, in the order
in which they can be executed. Stage 1 checks that a Python has the modules of the standard library
that they import before it uses it.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ENTRY = "norouter_core.agent.main"
MAX_BYTES = 40 * 1024
"""The limit for the compressed program, which may have to cross a slow link before anything
else."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The program as zlib-compressed source, and the top-level standard modules that it needs."""

    program: bytes
    stdlib: tuple[str, ...]
    modules: tuple[str, ...]


_making = threading.Lock()


def bundle(entry: str = ENTRY) -> Bundle:
    """Return the agent's program, which is made once per process, in any thread.

    Raises:
        ImportError: a module imports a third-party module.
    """
    with _making:
        return _make(entry)


@cache
def _make(entry: str) -> Bundle:
    graph = _Graph()
    graph.add(entry)
    modules = [(name, graph.packages[name], graph.sources[name]) for name in graph.order]
    loader = files(__package__).joinpath("loader.py.txt").read_text("utf-8")
    program = f"MODULES = {modules!r}\nENTRY = {entry!r}\n{loader}"
    compressed = zlib.compress(program.encode(), 9)
    return Bundle(compressed, tuple(sorted(graph.stdlib)), tuple(graph.order))


class _Graph:
    """The project's modules in the order of their execution: imported modules come first."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.sources: dict[str, str] = {}
        self.packages: dict[str, bool] = {}
        self.stdlib: set[str] = set()

    def add(self, name: str) -> None:
        if name in self.packages:
            return
        spec = importlib.util.find_spec(name)
        source = spec.loader.get_source(name) if spec and spec.loader else None  # type: ignore[attr-defined]  # all loaders here are source loaders
        if spec is None or source is None:
            raise ImportError(f"no source of {name}")
        self.packages[name] = spec.submodule_search_locations is not None
        parent = name.rpartition(".")[0]
        if parent:
            self.add(parent)
        tree = ast.parse(source)
        for imported in _imports(tree):
            self._follow(imported, name)
        self.sources[name] = _strip_docstrings(source, tree)
        self.order.append(name)

    def _follow(self, imported: str, importer: str) -> None:
        top = imported.partition(".")[0]
        if top == importer.partition(".")[0]:
            # `from package import name` may name a module or something within the package.
            if importlib.util.find_spec(imported) is not None:
                self.add(imported)
        elif top in sys.stdlib_module_names:
            if top != "__future__":
                self.stdlib.add(top)
        else:
            raise ImportError(f"{importer} imports {imported}: not in the standard library")


def _statements(body: list[ast.stmt], *, typing: bool = True) -> Iterator[ast.stmt]:
    """Yield all statements, also those within others; `typing` includes `if TYPE_CHECKING:`.

    Only statements import and are docstrings; to visit every expression would take most of the time
    that a bundle takes.
    """
    for statement in body:
        if isinstance(statement, ast.If) and not typing:
            if isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING":
                yield from _statements(statement.orelse, typing=typing)
                continue
        yield statement
        for block in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, block, []), typing=typing)
        for holder in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _statements(holder.body, typing=typing)


def _imports(tree: ast.Module) -> list[str]:
    """Return what a module imports when it runs, without `if TYPE_CHECKING:` blocks."""
    found: list[str] = []
    for node in _statements(tree.body, typing=False):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            ours = node.module.partition(".")[0] == ENTRY.partition(".")[0]
            found += [node.module]
            found += [f"{node.module}.{alias.name}" for alias in node.names] if ours else []
    return [name for name in found if _is_module_or_std(name)]


def _is_module_or_std(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # `package.module.name`: something inside a module.


def _strip_docstrings(source: str, tree: ast.Module) -> str:
    """Return the source without docstrings; line numbers stay for tracebacks."""
    lines = source.splitlines(keepends=True)
    for first, last in _docstrings(tree):
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        lines[first : last + 1] = [f'{indent}""\n'] + ["\n"] * (last - first)
    return "".join(lines)


def _docstrings(tree: ast.Module) -> list[tuple[int, int]]:
    """Return the first and last line, from 0, of every string that is a statement of its own."""
    return [
        (node.lineno - 1, (node.end_lineno or node.lineno) - 1)
        for node in _statements(tree.body)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
