"""The estimator of any number of photons in an image as one Keras graph: found, fitted, corrected.

Every photon found is fitted in a window of its own, together with its nearest neighbour there; what else is
in the window is taken off as it was known before. Fit, views and correction are those of a pair
(`projects.ecal.networks.refinement`, `projects.ecal.networks.photon_views`). Layers and `keras.ops` alone:
plain Keras loads it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from projects.ecal.networks.finder import peaks
from projects.ecal.networks.pair_graph import corrected_photons, correction_targets, named_answers, view_graph
from projects.ecal.networks.refinement import Readout, gauss_newton_step, photon_cells
from projects.ecal.windows.training_events import Windowed
from shashlik.estimators.training import predict

__all__ = ["assemble_whole", "lessons", "located"]

#: How often windows are chosen anew, and steps of the fit in each.
_ROUNDS, _STEPS = 2, 3
#: ln(E/GeV) of a neighbour that is not there, and cm to it.
_NOBODY, _FAR = float(np.log(1e-6)), 1e6
#: Energy (GeV) that a lit cell keeps when others' light is taken off.
_STAYS_LIT = 1e-3

Tensor = Any


def located(finder: keras.Model, readout: Readout, shape: tuple[int, int], photons: int) -> keras.Model:
    """From an image to its photons, found and fitted.

    Parameters
    ----------
    finder : keras.Model
        See `projects.ecal.networks.finder.finder_network`.
    readout : Readout
        Of the windows.
    shape : tuple of int
        Rows and columns of the image.
    photons : int
        Photons at most, 2 or more.

    Returns
    -------
    keras.Model
        From ``cells`` (n, rows, columns) in GeV to four tensors: windows (n, photons, size, size), in which
        only the photon and its neighbour are left; their corners (n, photons, 2) in cm from the image's;
        fitted pairs (n, photons, 6) in the window, the photon first; the number found (n,).
    """
    cells = keras.Input(shape, name="cells")
    points, number = peaks(cells, finder(cells), readout.pitch, photons)
    found = _first(number, photons)
    around, step = _neighbourhoods(readout, shape, photons), _step(readout)
    for _ in range(_ROUNDS):
        window, corner, pair, alone = around([cells, points, found])
        flat = ops.reshape(window, (-1, readout.size, readout.size))
        pair, alone = ops.reshape(pair, (-1, 6)), ops.reshape(alone, (-1, 1))
        for _ in range(_STEPS):
            pair = step([flat, pair, alone])
        pair = ops.reshape(pair, (-1, photons, 6))
        points = ops.concatenate([pair[..., :2] + corner, pair[..., 2:3]], axis=-1)
    return keras.Model(cells, [window, corner, pair, number], name="located")


def _first(number: Tensor, photons: int) -> Tensor:
    """1 for the first `number` (n,) of the photons, else 0, shape (n, photons)."""
    return ops.cast(ops.less(np.arange(photons, dtype="float32"), number[:, None]), "float32")


def _step(readout: Readout) -> keras.Model:
    """One step of the fit of pairs (m, 6) in windows; the second photon stays where there is none."""
    window, pair = keras.Input((readout.size, readout.size)), keras.Input((6,))
    alone = keras.Input((1,))
    moved = gauss_newton_step(window, pair[:, None], readout)[:, 0]
    second = ops.where(alone > 0, pair[:, 3:], moved[:, 3:])
    return keras.Model(
        [window, pair, alone], ops.concatenate([moved[:, :3], second], axis=-1), name="fit_pairs"
    )


def _neighbourhoods(readout: Readout, shape: tuple[int, int], photons: int) -> keras.Model:
    """From image, photons (n, photons, 3) and which of them are found to windows, corners, pairs in them, and
    1 for photons without a neighbour (n, photons, 1)."""
    cells, points = keras.Input(shape), keras.Input((photons, 3))
    found = keras.Input((photons,))
    size, reach, pitch = readout.size, readout.size // 2, readout.pitch
    rows, columns = shape

    place = points[..., :2] / pitch
    border = np.array([columns - 1, rows - 1], dtype="float32")
    home = ops.minimum(ops.maximum(ops.round(place), 0.0), border)
    corner = (home - float(reach)) * pitch

    # The nearest of the others in the window.
    others = ops.multiply(1.0 - np.eye(photons, dtype="float32"), found[:, None, :])
    apart = points[:, None, :, :2] - points[:, :, None, :2]
    within = ops.max(ops.absolute(points[:, None, :, :2] / pitch - home[:, :, None]), axis=-1) < reach + 0.5
    distance = ops.sum(ops.square(apart), axis=-1)
    distance = ops.where(ops.logical_and(others > 0, within), distance, _FAR)
    partner = ops.one_hot(ops.argmin(distance, axis=-1), photons) * ops.cast(distance < _FAR, "float32")
    alone = 1.0 - ops.sum(partner, axis=-1, keepdims=True)
    nobody = ops.concatenate([points[..., :2], _NOBODY * ops.ones_like(points[..., 2:])], axis=-1)
    neighbour = ops.matmul(partner, points) + alone * nobody

    pad = ops.pad(cells, ((0, 0), (reach, reach), (reach, reach)))
    wide, span = columns + 2 * reach, np.arange(size)
    inner = (span[:, None] * wide + span[None, :]).reshape(-1).astype("int32")
    first = ops.cast(home, "int32")
    index = ops.add((first[..., 1] * wide + first[..., 0])[..., None], inner)
    window = ops.take_along_axis(ops.reshape(pad, (-1, 1, (rows + 2 * reach) * wide)), index, axis=2)
    window = ops.reshape(window, (-1, photons, size, size))

    # Light of those that are neither the photon nor its neighbour.
    energy = points[:, None, :, 2:] + ops.zeros_like(apart[..., :1])
    moved = ops.concatenate([points[:, None, :, :2] - corner[:, :, None], energy], axis=-1)
    (light,) = photon_cells(ops.reshape(moved, (-1, photons, 3 * photons)), readout, slopes=False)
    rest = ops.sum(light * (others - partner)[..., None, None], axis=2)
    window = ops.where(window > 0, ops.maximum(window - rest, _STAYS_LIT), 0.0)

    pair = ops.concatenate(
        [points[..., :2] - corner, points[..., 2:], neighbour[..., :2] - corner, neighbour[..., 2:]], axis=-1
    )
    return keras.Model([cells, points, found], [window, corner, pair, alone], name="neighbourhoods")


def assemble_whole(
    finder: keras.Model,
    correction: keras.Model,
    readout: Readout,
    shape: tuple[int, int],
    photons: int,
    incidence: str,
) -> keras.Model:
    """The estimator: ``cells`` (n, rows, columns) in GeV and ``corner`` (n, 2) in cm to named answers (n,).

    ``x1 y1 e1 sx1 sy1 se1 x2 ...`` in cm and GeV at the front face, the most energetic photon first, errors
    as half of the central 68 %, NaN where there are fewer; and ``photons``, the number found, in which one
    more than answered stands for any number more.
    """
    cells = keras.Input(shape, name="cells")
    corner = keras.Input((2,), name="corner")
    window, own, pair, number = located(finder, readout, shape, photons)(cells)
    place = ops.reshape(own + corner[:, None], (-1, 2))
    flat, pair = ops.reshape(window, (-1, readout.size, readout.size)), ops.reshape(pair, (-1, 6))
    views, frame = view_graph(readout, incidence)([flat, place, pair])
    answer = correction(views[:, 0])[:, None]
    columns = corrected_photons(pair[:, :3], answer, frame[:, :1], place, incidence)
    columns = [ops.reshape(column, (-1, photons)) for column in columns]
    answers = named_answers(columns, _first(number, photons)) | {"photons": number}
    return keras.Model([cells, corner], answers, name="whole_image")


def lessons(
    located: keras.Model, readout: Readout, events: Windowed, incidence: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Views (m, features) of the photons that were found, and what the correction should answer (m, 3)."""
    window, corner, pair, number = predict(located, events.cells)
    photons = pair.shape[1]
    seen, true = (part.reshape(-1, photons, 3) for part in (events.seen(incidence), events.logarithmic()))
    place = pair[..., :2] + corner
    distance = np.square(place[:, :, None] - seen[:, None, :, :2]).sum(axis=3)
    nearest = np.where(np.isnan(distance), np.inf, distance).argmin(axis=2)
    true = np.take_along_axis(true, nearest[..., None], axis=1)
    true[..., :2] -= corner

    found = np.arange(photons) < number[:, None]
    window, pair, true = window[found], pair[found], true[found]
    place = (corner + events.corner[:, None])[found]
    views, frame = predict(view_graph(readout, incidence), [window, place, pair])
    target, learnable = correction_targets(pair[:, :3], frame[:, :1], true, place, incidence)
    return views[learnable[:, 0], 0], target[learnable[:, 0], 0]
