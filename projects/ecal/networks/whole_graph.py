"""The estimator of any number of photons in an image as one Keras graph: find, fit, correct.

Every photon is fitted in its own window, together with its nearest neighbour; other light in the window is
subtracted with the previous fit. Fit, views and correction are those of a pair
(`projects.ecal.networks.refinement`, `projects.ecal.networks.photon_views`). Only layers and `keras.ops` are
used, so that plain Keras loads the graph.
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

#: Rounds of choosing windows, and steps of the fit in each.
_ROUNDS, _STEPS = 2, 3
#: ln(E/GeV) of an absent neighbour, and the distance to it in cm.
_NOBODY, _FAR = float(np.log(1e-6)), 1e6
#: Smallest energy (GeV) of a lit cell after subtraction of other photons.
_STAYS_LIT = 1e-3

Tensor = Any


def located(finder: keras.Model, readout: Readout, shape: tuple[int, int], photons: int) -> keras.Model:
    """Map an image to its photons, found and fitted.

    Parameters
    ----------
    finder : keras.Model
        See `projects.ecal.networks.finder.finder_network`.
    readout : Readout
        Profile and size of the windows.
    shape : tuple of int
        Rows and columns of the image.
    photons : int
        Largest number of photons, 2 or more.

    Returns
    -------
    keras.Model
        Maps ``cells`` (n, rows, columns) in GeV to four tensors: windows (n, photons, size, size), which
        contain only the photon and its neighbour; their corners (n, photons, 2) in cm from the image's
        corner; fitted pairs (n, photons, 6) in the window, the photon first; the number found (n,).
    """
    cells = keras.Input(shape, name="cells")
    points, number = peaks(cells, finder(cells), readout.pitch, photons)
    present = _first(number, photons)
    around, step = _neighbourhoods(readout, shape, photons), _step(readout)
    for _ in range(_ROUNDS):
        window, corner, pair, alone = around([cells, points, present])
        flat = ops.reshape(window, (-1, readout.size, readout.size))
        pair, alone = ops.reshape(pair, (-1, 6)), ops.reshape(alone, (-1, 1))
        for _ in range(_STEPS):
            pair = step([flat, pair, alone])
        pair = ops.reshape(pair, (-1, photons, 6))
        points = ops.concatenate([pair[..., :2] + corner, pair[..., 2:3]], axis=-1)
    return keras.Model(cells, [window, corner, pair, number], name="located")


def _first(number: Tensor, photons: int) -> Tensor:
    """Return 1 for the first `number` (n,) of the photons, else 0, shape (n, photons)."""
    return ops.cast(ops.less(np.arange(photons, dtype="float32"), number[:, None]), "float32")


def _step(readout: Readout) -> keras.Model:
    """Take one step of the fit of pairs (m, 6) in windows; an absent second photon does not move."""
    window, pair = keras.Input((readout.size, readout.size)), keras.Input((6,))
    alone = keras.Input((1,))
    updated = gauss_newton_step(window, pair[:, None], readout)[:, 0]
    second = ops.where(alone > 0, pair[:, 3:], updated[:, 3:])
    return keras.Model(
        [window, pair, alone], ops.concatenate([updated[:, :3], second], axis=-1), name="fit_pairs"
    )


def _neighbourhoods(readout: Readout, shape: tuple[int, int], photons: int) -> keras.Model:
    """Map image, photons (n, photons, 3) and the mask of those found to windows, corners, pairs in them, and
    1 for photons without a neighbour (n, photons, 1)."""
    cells, points = keras.Input(shape), keras.Input((photons, 3))
    present = keras.Input((photons,))
    size, reach, pitch = readout.size, readout.size // 2, readout.pitch
    rows, columns = shape

    position = points[..., :2] / pitch
    border = np.array([columns - 1, rows - 1], dtype="float32")
    home = ops.minimum(ops.maximum(ops.round(position), 0.0), border)
    corner = (home - float(reach)) * pitch

    # The nearest of the others in the window.
    others = ops.multiply(1.0 - np.eye(photons, dtype="float32"), present[:, None, :])
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

    # Light of photons other than the photon and its neighbour.
    energy = points[:, None, :, 2:] + ops.zeros_like(apart[..., :1])
    relative = ops.concatenate([points[:, None, :, :2] - corner[:, :, None], energy], axis=-1)
    (light,) = photon_cells(ops.reshape(relative, (-1, photons, 3 * photons)), readout, slopes=False)
    other_light = ops.sum(light * (others - partner)[..., None, None], axis=2)
    window = ops.where(window > 0, ops.maximum(window - other_light, _STAYS_LIT), 0.0)

    pair = ops.concatenate(
        [points[..., :2] - corner, points[..., 2:], neighbour[..., :2] - corner, neighbour[..., 2:]], axis=-1
    )
    return keras.Model([cells, points, present], [window, corner, pair, alone], name="neighbourhoods")


def assemble_whole(
    finder: keras.Model,
    correction: keras.Model,
    readout: Readout,
    shape: tuple[int, int],
    photons: int,
    incidence: str,
) -> keras.Model:
    """Assemble the estimator: ``cells`` (n, rows, columns) in GeV, ``corner`` (n, 2) in cm to outputs.

    ``x1 y1 e1 sx1 sy1 se1 x2 ...`` in cm and GeV at the front face, the most energetic photon first, errors
    as half of the central 68 %, NaN for absent photons; and ``photons``, the number found, where one more
    than the largest number reported means any larger number.
    """
    cells = keras.Input(shape, name="cells")
    corner = keras.Input((2,), name="corner")
    window, local_corner, pair, number = located(finder, readout, shape, photons)(cells)
    window_corner = ops.reshape(local_corner + corner[:, None], (-1, 2))
    flat, pair = ops.reshape(window, (-1, readout.size, readout.size)), ops.reshape(pair, (-1, 6))
    views, frame = view_graph(readout, incidence)([flat, window_corner, pair])
    shifts = correction(views[:, 0])[:, None]
    columns = corrected_photons(pair[:, :3], shifts, frame[:, :1], window_corner, incidence)
    columns = [ops.reshape(column, (-1, photons)) for column in columns]
    outputs = named_answers(columns, _first(number, photons)) | {"photons": number}
    return keras.Model([cells, corner], outputs, name="whole_image")


def lessons(
    located: keras.Model, readout: Readout, events: Windowed, incidence: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return views (m, features) of the photons found, and the targets of the correction (m, 3)."""
    window, corner, pair, number = predict(located, events.cells)
    photons = pair.shape[1]
    apparent, true = (part.reshape(-1, photons, 3) for part in (events.seen(incidence), events.logarithmic()))
    place = pair[..., :2] + corner
    distance = np.square(place[:, :, None] - apparent[:, None, :, :2]).sum(axis=3)
    nearest = np.where(np.isnan(distance), np.inf, distance).argmin(axis=2)
    true = np.take_along_axis(true, nearest[..., None], axis=1)
    true[..., :2] -= corner

    present = np.arange(photons) < number[:, None]
    window, pair, true = window[present], pair[present], true[present]
    place = (corner + events.corner[:, None])[present]
    views, frame = predict(view_graph(readout, incidence), [window, place, pair])
    target, learnable = correction_targets(pair[:, :3], frame[:, :1], true, place, incidence)
    return views[learnable[:, 0], 0], target[learnable[:, 0], 0]
