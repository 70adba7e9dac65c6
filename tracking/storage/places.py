"""Where artifacts lie: which trees a store refers to, and their addresses after a move.

mlflow keeps the artifacts of an experiment below ``<root>/<id>``, unless the experiment has a place of its
own. In a backup, and where it is restored, the trees of all roots lie side by side, for ids are unique; other
places are called ``other-<n>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["COLUMNS", "SERVED", "Places", "found"]

#: Columns of mlflow's tables that hold addresses of artifacts.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)
#: Artifacts that the tracking server hands out, from a place that only the server knows.
SERVED = "mlflow-artifacts:/"
#: What leads to another address, or to none.
_INDIRECT = ("models:", "runs:", "http:", "https:")


@dataclass(frozen=True)
class Places:
    """The trees of a store.

    Parameters
    ----------
    trees : mapping of str to str
        Address of every tree by its name in a backup.
    roots : mapping of str to str
        Beginning of addresses, with the slash at its end, and the folder of it in a backup; empty for none.
    """

    trees: Mapping[str, str]
    roots: Mapping[str, str]

    def moved(self, address: str | None, to: str, served: bool | None = None) -> str | None:
        """An address after the trees were moved below `to`.

        Parameters
        ----------
        address : str or None
            Any value of a column.
        to : str
            Folder or address without the slash at its end.
        served : bool or None
            Whether a tracking server hands the artifacts out; None if that stays as it was.
        """
        for root, folder in self.roots.items() if address else ():
            assert address is not None
            if not f"{address}/".startswith(root):
                continue
            through = root.startswith(SERVED) if served is None else served
            start = SERVED if through else f"{to}/"
            rest = address[len(root) :]
            return start + "/".join(part for part in (folder, rest) if part)
        return address


def found(experiments: Iterable[tuple[int, str]], addresses: Iterable[str]) -> Places:
    """The places of a store.

    Parameters
    ----------
    experiments : iterable of (int, str)
        Their ids and artifact locations.
    addresses : iterable of str
        All others that the store refers to.
    """
    trees: dict[str, str] = {}
    roots: dict[str, str] = {}

    def other(address: str) -> None:
        name = f"other-{sum(bool(folder) for folder in roots.values()) + 1}"
        trees[name], roots[f"{address}/"] = address, name

    for number, location in experiments:
        address = location.rstrip("/")
        if address.endswith(f"/{number}"):
            roots[address[: -len(str(number))]] = ""
            trees[str(number)] = address
        else:
            other(address)
    for location in sorted(set(addresses)):
        address = location.rstrip("/")
        if address.startswith(_INDIRECT) or any(f"{address}/".startswith(root) for root in roots):
            continue
        other(address)
    return Places(trees, roots)
