"""Every exception of norouter's own has one root."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import norouter_core
import norouter_tui
from norouter_core.errors import NorouterError

TRAVELLING = ("norouter_core.agent", "norouter_core.wire", "norouter_tui.shell.namespace")


def modules(package: ModuleType) -> list[ModuleType]:
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    return [importlib.import_module(name) for name in names if not name.startswith(TRAVELLING)]


def test_every_exception_is_a_norouter_error() -> None:
    classes = [
        value
        for package in (norouter_core, norouter_tui)
        for module in modules(package)
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and issubclass(value, Exception)
    ]
    assert len(classes) > 20
    assert [cls for cls in classes if not issubclass(cls, NorouterError)] == []
