"""What commands on the whole store share: where it is, and which migrations made its tables."""

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
#: What mlflow's server reads its store and the place of its artifacts from.
BACKEND, DESTINATION = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"


def database(given: str | None) -> str:
    """Address of the store's database: the given one, the server's, the tracking store if it is one."""
    return given or os.environ.get(BACKEND) or tracking_store()


def journal(store: str) -> str:
    """Address of the journal's database, where it is another than the store's; else empty."""
    given = os.environ.get(VARIABLE, "")
    return "" if not given or parsed(given) == parsed(store) else given


def artifacts(given: str | None) -> str:
    """Where the server keeps artifacts: the given place, else what the server is told."""
    return given or os.environ.get(DESTINATION, "")


def facts() -> dict[str, Any]:
    """What the manifest of a backup says of its making."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"{getpass.getuser()}@{socket.gethostname()}",
        "versions": versions(),
    }
