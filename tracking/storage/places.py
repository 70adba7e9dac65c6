"""Places of artifacts: the trees that a store refers to, and their addresses after a move.

mlflow keeps the artifacts of an experiment below ``<root>/<id>``, unless the experiment has its own location.
In a backup, and after a restore, the trees of all roots lie side by side, because ids are unique. Other
locations are called ``other-<n>``.
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
#: Prefix of artifacts that the tracking server serves from a location that only the server knows.
SERVED = "mlflow-artifacts:/"
#: Prefixes of indirect addresses.
_INDIRECT = ("models:", "runs:", "http:", "https:")


@dataclass(frozen=True)
class Places:
    """Trees of artifacts in a store.

    Parameters
    ----------
    trees : mapping of str to str
        Addresses of the trees by their name in a backup.
    roots : mapping of str to str
        Folder in a backup, or an empty text, by the prefix of addresses with a trailing slash.
    """

    trees: Mapping[str, str]
    roots: Mapping[str, str]

    def moved(self, address: str | None, to: str, served: bool | None = None) -> str | None:
        """Convert an address for trees that were moved below `to`.

        Parameters
        ----------
        address : str or None
            Value of an address column.
        to : str
            Folder or address without a trailing slash.
        served : bool or None
            Whether a tracking server serves the artifacts; None to keep the present setting.
        """
        for root, folder in self.roots.items() if address else ():
            assert address is not None
            if not f"{address}/".startswith(root):
                continue
            is_served = root.startswith(SERVED) if served is None else served
            start = SERVED if is_served else f"{to}/"
            rest = address[len(root) :]
            return start + "/".join(part for part in (folder, rest) if part)
        return address


def found(experiments: Iterable[tuple[int, str]], addresses: Iterable[str]) -> Places:
    """Collect the trees and roots of a store.

    Parameters
    ----------
    experiments : iterable of (int, str)
        Ids and artifact locations of the experiments.
    addresses : iterable of str
        All other addresses that the store refers to.
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
