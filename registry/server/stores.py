"""Journal, registry and index in the database of this server, for its routes."""

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
    """Return the database, opened once per process."""
    return connect(store())


def index() -> DirectIndex:
    """Return the index of evidence."""
    return _index(engine())


def registry(actor: str = "") -> Registry:
    """Return the registry; `actor` is the author of its entries."""
    return direct(Journal(engine(), actor))


@lru_cache
def _index(database: Engine) -> DirectIndex:
    return DirectIndex(database)
