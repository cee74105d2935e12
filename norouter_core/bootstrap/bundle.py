"""The agent as one compressed program, made from its own import graph.

Nothing is listed by hand: what `norouter_core.agent.main` imports of ours is what travels, in the
order in which it can be executed; what it imports of the standard library is what stage 1 checks
for before it calls a Python usable.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ENTRY = "norouter_core.agent.main"
MAX_BYTES = 40 * 1024
"""What the compressed program may weigh: it crosses a slow link before anything else does."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """`program` is the zlib-compressed source; `stdlib` the top-level standard modules it needs."""

    program: bytes
    stdlib: tuple[str, ...]
    modules: tuple[str, ...]


@cache
def bundle(entry: str = ENTRY) -> Bundle:
    """The agent's program; made once per process.

    Raises:
        ImportError: a module imports something that is neither ours nor the standard library's.
    """
    graph = _Graph()
    graph.add(entry)
    modules = [(name, graph.packages[name], graph.sources[name]) for name in graph.order]
    loader = files(__package__).joinpath("loader.py.txt").read_text("utf-8")
    program = f"MODULES = {modules!r}\nENTRY = {entry!r}\n{loader}"
    compressed = zlib.compress(program.encode(), 9)
    return Bundle(compressed, tuple(sorted(graph.stdlib)), tuple(graph.order))


class _Graph:
    """Modules of ours in the order of their execution: what is imported comes first."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.sources: dict[str, str] = {}
        self.packages: dict[str, bool] = {}
        self.stdlib: set[str] = set()

    def add(self, name: str) -> None:
        if name in self.packages:
            return
        spec = importlib.util.find_spec(name)
        source = spec.loader.get_source(name) if spec and spec.loader else None  # type: ignore[attr-defined]  # get_source is of source loaders, which ours all are
        if spec is None or source is None:
            raise ImportError(f"no source of {name}")
        self.packages[name] = spec.submodule_search_locations is not None
        parent = name.rpartition(".")[0]
        if parent:
            self.add(parent)
        tree = ast.parse(source)
        for imported in _imports(tree):
            self._follow(imported, name)
        self.sources[name] = _slimmed(source, tree)
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
            raise ImportError(f"{importer} imports {imported}: not of the standard library")


def _imports(tree: ast.Module) -> list[str]:
    """What a module imports when it runs; `if TYPE_CHECKING:` blocks do not run."""
    found: list[str] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            ours = node.module.partition(".")[0] == ENTRY.partition(".")[0]
            found += [node.module]
            found += [f"{node.module}.{alias.name}" for alias in node.names] if ours else []
        todo += ast.iter_child_nodes(node)
    return [name for name in found if _is_module_or_std(name)]


def _is_module_or_std(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # `package.module.name`: a thing within a module


def _slimmed(source: str, tree: ast.Module) -> str:
    """The source without docstrings, line numbers kept for tracebacks."""
    lines = source.splitlines(keepends=True)
    for first, last in _docstrings(tree):
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        lines[first : last + 1] = [f'{indent}""\n'] + ["\n"] * (last - first)
    return "".join(lines)


def _docstrings(tree: ast.Module) -> list[tuple[int, int]]:
    """First and last line, from 0, of every string that stands as a statement of its own."""
    return [
        (node.lineno - 1, (node.end_lineno or node.lineno) - 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
