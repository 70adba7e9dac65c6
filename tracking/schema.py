"""Tables of a database: made, and brought up to date, by the migrations that made them.

The usual way lets every set of migrations open a connection of its own; here everything happens in the
transaction of one that is given, so that a database is filled whole or not at all.
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
    """Tables that one set of migrations makes.

    Parameters
    ----------
    name : str
        What they are for.
    versions : str
        The table that holds the present revision.
    scripts : pathlib.Path
        Folder of the migrations.
    initial : sqlalchemy.MetaData or None
        Tables that must be there before the first migration.
    target : sqlalchemy.MetaData or None
        For migrations that ask for it.
    """

    name: str
    versions: str
    scripts: Path
    initial: sa.MetaData | None = None
    target: sa.MetaData | None = None

    @property
    def head(self) -> str:
        """The newest revision that this installation knows."""
        return self._directory().get_current_head() or ""

    def revision(self, connection: sa.Connection) -> str | None:
        """The revision that a database is at; None where the tables are not there."""
        return MigrationContext.configure(
            connection, opts={"version_table": self.versions}
        ).get_current_revision()

    def upgrade(self, connection: sa.Connection, revision: str = "") -> None:
        """Make the tables of a revision, by default the newest, or bring those that are there up to it.

        Raises
        ------
        Refused
            If there is no such revision.
        """
        directory, wanted = self._directory(), revision or self.head
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        self._known(directory, wanted)
        if self.initial is not None and self.revision(connection) is None:
            self.initial.create_all(connection)
        with EnvironmentContext(
            config, directory, fn=lambda present, _: directory._upgrade_revs(wanted, present)
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
        """What the migrations after a revision do, in their own words, the oldest first.

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
