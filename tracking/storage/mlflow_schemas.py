"""The mlflow side of the database's tables: which migrations make them."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.dbmodels.initial_models import Base as Initial

from tracking.schema import Schema

__all__ = ["AUTH", "TRACKING"]

_MLFLOW = Path(str(mlflow.__file__)).parent

#: Runs, models, versions.
TRACKING = Schema(
    "mlflow", "alembic_version", _MLFLOW / "store" / "db_migrations", Initial.metadata, Base.metadata
)
#: Users and permissions, where they are kept in the same database. Importing that part of mlflow would ask
#: for packages that only a server with users needs.
AUTH = Schema("mlflow's users", "alembic_version_auth", _MLFLOW / "server" / "auth" / "db" / "migrations")
