"""Access control of the model registry on a server: only the registry sets aliases under the gate.

The registry store for addresses ``shashlik:<address of the database>`` handles every change of a model,
through whatever route: REST, the UI's own prefix, or a route that mlflow adds later. `passage` opens it for
the registry itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["SCHEME", "passage", "shut"]

SCHEME = "shashlik:"
_OPEN: ContextVar[bool] = ContextVar("shashlik_passage", default=False)


@contextmanager
def passage() -> Iterator[None]:
    """Open the gate for the registry itself inside this context."""
    token = _OPEN.set(True)
    try:
        yield
    finally:
        _OPEN.reset(token)


def shut() -> bool:
    """Return whether the gate is shut for this call; it is open inside `passage`."""
    return not _OPEN.get()
