"""Samples as data sets of mlflow, whose own digests read only the first 10 000 rows."""

from __future__ import annotations

import json

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset

__all__ = ["Recorded"]

LONGEST_NAME, LONGEST_DIGEST = 500, 36


class Recorded(MetaDataset):
    """Sample identified by its name, source, full-content hash and size.

    The digest is the hash, truncated to the length that mlflow allows; the source holds all of it.
    """

    def __init__(self, name: str, sha256: str, source: str, events: int) -> None:
        origin = CodeDatasetSource({"mlflow.source.name": source, "sha256": sha256})
        self._profile = {"events": events}
        super().__init__(origin, name=name[:LONGEST_NAME], digest=sha256[:LONGEST_DIGEST])

    @property
    def profile(self) -> dict[str, int]:
        """Size of the sample, as the UI shows it."""
        return self._profile

    def to_dict(self) -> dict[str, str]:
        """Return all fields that mlflow stores."""
        return super().to_dict() | {"profile": json.dumps(self._profile)}
