"""Re-export names of other modules, which are imported on first use (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["offering"]


def offering(
    module: str, origins: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Build the functions ``__getattr__`` and ``__dir__`` of a module that re-exports names.

    Parameters
    ----------
    module : str
        Name of the module.
    origins : mapping of str to tuple of str
        Re-exported names by the module that defines them; for a package also names of its modules.
    """
    by_name = {name: origin for origin, names in origins.items() for name in names}

    def get(name: str) -> Any:
        if name not in by_name:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        origin = import_module(by_name[name])
        return getattr(origin, name) if hasattr(origin, name) else import_module(f"{by_name[name]}.{name}")

    return get, lambda: sorted(by_name)
