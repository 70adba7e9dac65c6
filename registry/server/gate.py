"""The door to the model registry on a server: what the registry decides, nobody sets by hand.

It is a plugin of mlflow, a registry store for addresses ``shashlik:<address of the database>``. Whatever
way leads to a change of a model (REST, the UI's own prefix, a route that mlflow adds one day), it comes
through here. `passage` is the registry's own way through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["SCHEME", "gated_store", "passage"]

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


def gated_store(store_uri: str) -> Any:
    """The store for an address ``shashlik:...``; called by mlflow, which loads this module at every start."""
    from registry.server.gated_store import GatedStore

    return GatedStore(store_uri.removeprefix(SCHEME), shut=lambda: not _OPEN.get())
