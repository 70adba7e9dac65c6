"""Schemas of mlflow's own tables and the migrations that create them."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.dbmodels.initial_models import Base as Initial

from tracking.schema import Schema

__all__ = ["AUTH", "TRACKING"]

_MLFLOW = Path(str(mlflow.__file__)).parent

#: Tables of runs, models and versions.
TRACKING = Schema(
    "mlflow", "alembic_version", _MLFLOW / "store" / "db_migrations", Initial.metadata, Base.metadata
)
#: Tables of users and permissions, if they are in the same database. Importing that part of mlflow would
#: require packages that only a server with users needs.
AUTH = Schema("mlflow's users", "alembic_version_auth", _MLFLOW / "server" / "auth" / "db" / "migrations")
