"""Database schemas: tables created and upgraded by migrations.

Usually every set of migrations opens its own connection. Here everything happens in the transaction of a
given connection, so that a database is filled completely or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from tracking.exceptions import Refused

__all__ = ["Schema"]


@dataclass(frozen=True)
class Schema:
    """Tables created by one set of migrations.

    Parameters
    ----------
    name : str
        Purpose of the tables.
    versions : str
        Table with the present revision.
    scripts : pathlib.Path
        Folder of the migrations.
    initial : sqlalchemy.MetaData or None
        Tables that must exist before the first migration.
    target : sqlalchemy.MetaData or None
        Target metadata for migrations that need it.
    """

    name: str
    versions: str
    scripts: Path
    initial: sa.MetaData | None = None
    target: sa.MetaData | None = None

    @property
    def head(self) -> str:
        """Newest revision known to this installation."""
        return self._directory().get_current_head() or ""

    def revision(self, connection: sa.Connection) -> str | None:
        """Look up the revision of a database; None without the tables."""
        return MigrationContext.configure(
            connection, opts={"version_table": self.versions}
        ).get_current_revision()

    def upgrade(self, connection: sa.Connection, revision: str = "") -> None:
        """Create the tables of a revision, by default the newest, or upgrade existing tables to it.

        Raises
        ------
        Refused
            If there is no such revision.
        """
        directory, target = self._directory(), revision or self.head
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        self._known(directory, target)
        if self.initial is not None and self.revision(connection) is None:
            self.initial.create_all(connection)
        with EnvironmentContext(
            config, directory, fn=lambda present, _: directory._upgrade_revs(target, present)
        ) as context:
            context.configure(
                connection=connection,
                version_table=self.versions,
                target_metadata=self.target,
                render_as_batch=True,
                transactional_ddl=True,
            )
            with context.begin_transaction():
                context.run_migrations()

    def missing(self, revision: str) -> list[str]:
        """List the descriptions of the migrations after a revision, the oldest first.

        Raises
        ------
        Refused
            If there is no such revision.
        """
        directory = self._directory()
        self._known(directory, revision)
        steps = directory.iterate_revisions(self.head, revision)
        return [" ".join((step.doc or step.revision).split()) for step in steps][::-1]

    def _known(self, directory: ScriptDirectory, revision: str) -> None:
        try:
            directory.get_revision(revision)
        except CommandError:
            raise Refused(
                f"the tables of {self.name} are of revision {revision}, not known to what is installed: "
                "install the newer one that made them"
            ) from None

    def _directory(self) -> ScriptDirectory:
        return ScriptDirectory(str(self.scripts))
