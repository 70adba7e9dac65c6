"""How alembic reaches the database: through the connection that `tracking.database` hands over."""

from __future__ import annotations

from alembic import context

__all__ = ["migrate"]


def migrate() -> None:
    """Run the migrations that alembic asks for."""
    context.configure(
        connection=context.config.attributes["connection"],
        # Beside mlflow's own version in the same database.
        version_table="shashlik_version",
        transactional_ddl=True,
    )
    context.run_migrations()


migrate()
