"""Environment of alembic: migrations use the connection that `tracking.database` passes."""

from __future__ import annotations

from alembic import context

__all__ = ["migrate"]


def migrate() -> None:
    """Run the migrations that alembic requests."""
    context.configure(
        connection=context.config.attributes["connection"],
        # Beside mlflow's own version in the same database.
        version_table="shashlik_version",
        transactional_ddl=True,
    )
    context.run_migrations()


migrate()
