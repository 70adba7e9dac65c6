"""Location of the store, and the migrations of its tables, for commands on the whole store."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime
from typing import Any

from registry.models.versions import store as tracking_store
from tracking.database import SCHEMA, VARIABLE
from tracking.runs.provenance import versions
from tracking.storage.databases import hidden, parsed
from tracking.storage.mlflow_schemas import AUTH, TRACKING

__all__ = ["SCHEMAS", "artifacts", "database", "facts", "hidden", "journal"]

SCHEMAS = (TRACKING, AUTH, SCHEMA)
#: Variables from which mlflow's server reads the addresses of its store and artifacts.
BACKEND, DESTINATION = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"


def database(given: str | None) -> str:
    """Return the address of the store's database: the given one, the server's, or the tracking store."""
    return given or os.environ.get(BACKEND) or tracking_store()


def journal(store: str) -> str:
    """Return the address of the journal's database if it differs from the store's; else empty."""
    address = os.environ.get(VARIABLE, "")
    return "" if not address or parsed(address) == parsed(store) else address


def artifacts(given: str | None) -> str:
    """Return the location of the server's artifacts: the given one, or that of the environment."""
    return given or os.environ.get(DESTINATION, "")


def facts() -> dict[str, Any]:
    """Collect the facts about its creation for the manifest of a backup."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"{getpass.getuser()}@{socket.gethostname()}",
        "versions": versions(),
    }
