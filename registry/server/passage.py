"""The door to the model registry on a server: what the registry decides, nobody sets by hand.

Models are changed in a registry store for addresses ``shashlik:<address of the database>``. Whatever way
leads to a change of a model (REST, the UI's own prefix, a route that mlflow adds one day), it comes through
that store. `passage` is the registry's own way through.
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
    """Inside, the registry itself is at work."""
    token = _OPEN.set(True)
    try:
        yield
    finally:
        _OPEN.reset(token)


def shut() -> bool:
    """Whether the gate is shut for this call; it is open inside `passage`."""
    return not _OPEN.get()
