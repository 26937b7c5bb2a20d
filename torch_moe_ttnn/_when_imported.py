"""Runs code once another module has been imported, and not before."""

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Finder(MetaPathFinder):
    """One for all modules that are waited for: of two for the same one, the second would never be asked."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def wait_for(self, name: str, function: Callable[[], None]) -> None:
        self._waiting.setdefault(name, []).append(function)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._waiting:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            functions = self._waiting.pop(fullname, [])
            if not self._waiting and self in sys.meta_path:
                sys.meta_path.remove(self)
            for function in functions:
                try:
                    function()
                except Exception as error:
                    # The module is there, and others need it.
                    warnings.warn(f"{function.__name__} failed after import {fullname}: {error}", stacklevel=2)

        spec.loader.exec_module = execute_and_call  # type: ignore[method-assign]
        return spec


_finder = _Finder()


def when_imported(name: str, function: Callable[[], None]) -> None:
    """Call a function as soon as a module is imported, after those that wait already; at once where it is there."""
    if name in sys.modules:
        function()
    else:
        _finder.wait_for(name, function)
