"""What the routes answer from: journal, registry and index in the database of this server."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Engine

from registry.journal.champions import Registry, direct
from registry.journal.direct import Journal
from registry.models.versions import store
from tracking.database import connect
from tracking.index.direct import DirectIndex

__all__ = ["engine", "index", "registry"]


@lru_cache
def engine() -> Engine:
    """The database, opened once a process."""
    return connect(store())


def index() -> DirectIndex:
    """The index of evidence."""
    return _index(engine())


def registry(actor: str = "") -> Registry:
    """The registry; what is written to it is written by `actor`."""
    return direct(Journal(engine(), actor))


@lru_cache
def _index(opened: Engine) -> DirectIndex:
    return DirectIndex(opened)
