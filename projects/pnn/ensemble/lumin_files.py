"""Fold files of LUMIN (G. C. Strong, version 0.9): HDF5, read and written with its keys.

A group ``fold_0``, ``fold_1``, ... each holds ``inputs`` (float32, events x features), ``targets`` (int64),
``weights`` (float32) and additional columns; ``meta_data`` holds the names of features, targets and weight as
JSON text. Inputs are already scaled, as in the original study.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.pnn.ensemble.stacked_step import Events, Member
from projects.pnn.halves import Half, folds, scales
from projects.pnn.schema import FEATURES
from shashlik.exceptions import BadInput

__all__ = ["EXTRA", "FOLDS", "FoldFile", "export", "of_half", "read", "training", "write"]

#: Number of folds of a file, as in the original study.
FOLDS = 10

#: Columns besides inputs, targets and weights: the original weight of the events, class and mass as one text,
#: and the mass without scaling.
EXTRA = ("gen_orig_weight", "gen_strat_key", "res_mass_orig")


@dataclass(frozen=True)
class FoldFile:
    """Contents of a fold file.

    Parameters
    ----------
    folds : sequence of mapping of str to ndarray
        By key: ``inputs``, ``targets``, ``weights`` and more, of equal length.
    features : tuple of str
        Names of the inputs: continuous ones first, then categorical ones.
    categorical : tuple of str
        Names of the categorical inputs.
    target, weight : str
        Names of target and weight.
    """

    folds: Sequence[Mapping[str, NDArray[Any]]]
    features: tuple[str, ...]
    categorical: tuple[str, ...] = ()
    target: str = "gen_target"
    weight: str = "gen_weight"

    def column(self, key: str) -> NDArray[Any]:
        """Concatenate a column of all folds."""
        return np.concatenate([fold[key] for fold in self.folds])


def of_half(
    half: Half, fold: NDArray[np.integer], mean: NDArray[np.floating], deviation: NDArray[np.floating]
) -> FoldFile:
    """Convert a half to the format of LUMIN.

    Parameters
    ----------
    half : Half
    fold : ndarray of int, shape (events,)
        Fold of each event.
    mean, deviation : ndarray, shape (features + 1,)
        The input pipeline: that of this half for training, of the other for inference.
    """
    inputs = np.concatenate([half.features, half.masses[:, None]], axis=1)
    inputs = ((inputs - mean) / deviation).astype(np.float32)
    key = np.array([f"{int(s)}_{m:g}" for s, m in zip(half.signal, half.masses, strict=True)], dtype="S64")
    columns = {
        "inputs": inputs,
        "targets": half.signal.astype(np.int64),
        "weights": half.weights.astype(np.float32),
        "gen_orig_weight": half.original,
        "gen_strat_key": key,
        "res_mass_orig": half.masses.astype(np.float64),
    }
    folds = [
        {name: array[fold == number] for name, array in columns.items()} for number in range(fold.max() + 1)
    ]
    return FoldFile(folds, (*FEATURES, "res_mass"))


def training(content: FoldFile, members: int) -> tuple[Events, list[Member]]:
    """Return the inputs of `projects.pnn.ensemble.training.train`; as in LUMIN, fold i validates member i."""
    ends = np.cumsum([0, *(len(fold["targets"]) for fold in content.folds)])
    rows = np.arange(ends[-1])
    watched = [rows[ends[i % len(content.folds)] : ends[i % len(content.folds) + 1]] for i in range(members)]
    events = Events(
        content.column("inputs"),
        content.column("targets").ravel() > 0,
        content.column("weights").astype(float),
    )
    return events, [Member(np.setdiff1d(rows, watch), watch) for watch in watched]


def export(halves: tuple[Half, Half], folder: Path, seed: int) -> list[Path]:
    """Write both halves as in the original study: ``train_0``, ``test_0`` of even events, ``_1`` of odd ones.

    The ``train`` file of a half is scaled by its own input pipeline, ``test`` by that of the other half,
    whose networks predict it.
    """
    pipes = [scales(np.concatenate([half.features, half.masses[:, None]], axis=1)) for half in halves]
    paths = []
    for index, half in enumerate(halves):
        fold = folds(half, FOLDS, np.random.default_rng((seed, 1)))
        for name, pipe in (("train", pipes[index]), ("test", pipes[1 - index])):
            paths.append(folder / f"{name}_{index}.hdf5")
            write(of_half(half, fold, *pipe), paths[-1])
    return paths


def write(content: FoldFile, path: Path) -> None:
    """Write a fold file; the name appears only when the file is complete."""
    import h5py

    continuous = [name for name in content.features if name not in content.categorical]
    texts = {
        "cont_feats": continuous,
        "cat_feats": list(content.categorical),
        "targ_feats": content.target,
        "wgt_feat": content.weight,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with h5py.File(partial, "w") as file:
            for number, fold in enumerate(content.folds):
                group = file.create_group(f"fold_{number}")
                for name, array in fold.items():
                    group.create_dataset(name, data=array)
            meta = file.create_group("meta_data")
            for name, value in texts.items():
                meta.create_dataset(name, data=json.dumps(value))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> FoldFile:
    """Read the contents of any fold file.

    Raises
    ------
    BadInput
        If it is not a fold file.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            meta = {name: json.loads(value[()]) for name, value in file["meta_data"].items()}
            count = sum(name.startswith("fold_") for name in file)
            folds = [
                {name: data[()] for name, data in file[f"fold_{number}"].items()} for number in range(count)
            ]
            categorical = tuple(meta["cat_feats"])
            target = meta["targ_feats"]
            return FoldFile(
                folds,
                (*meta["cont_feats"], *categorical),
                categorical,
                target if isinstance(target, str) else target[0],
                meta.get("wgt_feat", ""),
            )
    except (OSError, KeyError, ValueError) as error:
        raise BadInput(
            f"{path} is no fold file of LUMIN ({str(error).splitlines()[0][:100]}): it needs the groups "
            "fold_0, fold_1, ... and meta_data"
        ) from error
