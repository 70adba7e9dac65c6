"""mlflow's registry store with the gate in front of champions and baselines."""

from __future__ import annotations

from collections.abc import Callable

from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from registry.journal.aliases import gated
from registry.journal.direct import Journal
from registry.models.versions import ANCHOR
from tracking.database import opened

__all__ = ["GatedStore"]


class GatedStore(SqlAlchemyStore):
    """Registry store that refuses to move or lose a champion or a baseline.

    Parameters
    ----------
    address : str
        The database.
    shut : callable
        Whether the gate is shut for this call; it is open for the registry itself.
    """

    def __init__(self, address: str, shut: Callable[[], bool]) -> None:
        super().__init__(address)
        self._shut = shut

    def create_registered_model(self, name, tags=None, description=None, deployment_job_id=None):
        for tag in tags or ():
            self._tag(name, tag.key)
        return super().create_registered_model(name, tags, description, deployment_job_id)

    def set_registered_model_alias(self, name, alias, version):
        self._alias(name, alias)
        return super().set_registered_model_alias(name, alias, version)

    def delete_registered_model_alias(self, name, alias):
        self._alias(name, alias)
        return super().delete_registered_model_alias(name, alias)

    def delete_model_version(self, name, version):
        self._version(name, str(version))
        return super().delete_model_version(name, version)

    def delete_registered_model(self, name):
        self._whole(name, "deleted")
        return super().delete_registered_model(name)

    def rename_registered_model(self, name, new_name):
        self._whole(name, "renamed")
        return super().rename_registered_model(name, new_name)

    def set_registered_model_tag(self, name, tag: RegisteredModelTag):
        self._tag(name, tag.key)
        return super().set_registered_model_tag(name, tag)

    def delete_registered_model_tag(self, name, key):
        self._tag(name, key)
        return super().delete_registered_model_tag(name, key)

    def _alias(self, name: str, alias: str) -> None:
        if self._shut() and gated(alias):
            raise _refusal(
                f"alias {alias!r} of {name} follows the journal and is not set by hand: ask the gate with "
                f"'shashlik promote {name}' or 'shashlik rollback {name}'"
            )

    def _tag(self, name: str, key: str) -> None:
        if self._shut() and key == ANCHOR:
            raise _refusal(f"tag {key!r} of {name} is what the gate remembers of the journal")

    def _version(self, name: str, version: str) -> None:
        if not self._shut():
            return
        roles = self._protected(name)
        if version in roles:
            raise _refusal(
                f"version {version} of {name} is {roles[version]}, which the gate keeps: roll back or "
                "promote another first; what was champion once is let go by "
                f"'shashlik release {name} {version}'"
            )

    def _whole(self, name: str, action: str) -> None:
        if self._shut() and (roles := self._protected(name)):
            details = ", ".join(f"version {version} is {role}" for version, role in sorted(roles.items()))
            raise _refusal(f"{name} cannot be {action}: its journal and the gate need it ({details})")

    def _protected(self, name: str) -> dict[str, str]:
        """Return the versions that must not be lost, with the reasons."""
        with opened(self.db_uri) as engine:
            state = Journal(engine).state(name)
        roles = {str(version): "a former champion or baseline" for version in state.protected}
        for alias, version in self.get_registered_model(name).aliases.items():
            if gated(alias):
                roles[str(version)] = alias
        return roles


def _refusal(reason: str) -> MlflowException:
    return MlflowException(f"The gate refuses: {reason}.", error_code=PERMISSION_DENIED)
