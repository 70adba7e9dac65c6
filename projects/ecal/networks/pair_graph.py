"""The estimator of one or two photons as one Keras graph: hypotheses, fit, selection, correction, outputs.

Inputs are the cells and the corner of the window, outputs are named. Only layers and `keras.ops` are used, so
that plain Keras loads the graph.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from projects.ecal.detector import X0, Z_TARGET
from projects.ecal.networks.photon_views import fold, photon_views, scales, unfold
from projects.ecal.networks.refinement import LEAST_ENERGY, Readout, chi2, gauss_newton_step

__all__ = [
    "assemble",
    "corrected_photons",
    "correction_targets",
    "fitted_photons",
    "front_shift",
    "gravity_start",
    "named_answers",
    "seed_graph",
    "view_graph",
]

#: Steps of the fit for all hypotheses, and further ones for the best.
_STEPS, _MORE_STEPS = 3, 3
#: Half of the central 68.3 % of Student's t with 4 degrees of freedom, as in the correction's loss, in
#: scales.
_HALF_WIDTH = 1.142
#: Photons farther than this from the truth (cm) are failures of the fit and excluded from the correction's
#: training.
_LEARNABLE = 1.5
#: Name of the graph by the number of photons.
_NAMES = {1: "one_photon", 2: "two_photons"}

Tensor = Any


def gravity_start(readout: Readout) -> keras.Model:
    """Start one photon (n, 1, 3) at the centre of gravity of the 3 x 3 cells around the highest cell."""
    cells = keras.Input((readout.size, readout.size), name="cells")
    row, column = np.mgrid[: readout.size, : readout.size].reshape(2, -1).astype("float32")
    flat = ops.reshape(cells, (-1, readout.size**2))
    highest = ops.one_hot(ops.argmax(flat, axis=-1), readout.size**2)
    total = ops.sum(flat, axis=-1, keepdims=True)
    near: Tensor = flat
    for index in (column, row):
        away = ops.absolute(ops.subtract(index, ops.sum(highest * index, axis=-1, keepdims=True)))
        near = near * ops.cast(away < 1.5, "float32")
    weight = ops.sum(near, axis=-1, keepdims=True) + 1e-6
    x, y = (ops.sum(near * index, axis=-1, keepdims=True) / weight for index in (column, row))
    points = ops.concatenate([readout.pitch * x, readout.pitch * y, ops.log(total + LEAST_ENERGY)], axis=-1)
    return keras.Model(cells, points[:, None], name="start")


def fitted_photons(start: keras.Model, readout: Readout) -> keras.Model:
    """Map cells to fitted photons (n, 3 photons) and chi-square (n,): the best hypothesis, fitted."""
    cells = keras.Input((readout.size, readout.size), name="cells")
    points = start(cells)
    points = _steps(cells, points, readout, _STEPS, "fit_all")
    best = ops.argmin(chi2(cells, points, readout), axis=-1)
    point = ops.take_along_axis(points, best[:, None, None], axis=1)
    point = _steps(cells, point, readout, _MORE_STEPS, "fit_best")
    return keras.Model(cells, [point[:, 0], chi2(cells, point, readout)[:, 0]], name="fit")


def _steps(cells: Tensor, points: Tensor, readout: Readout, steps: int, name: str) -> Tensor:
    """Apply Gauss-Newton steps as one shared sub-graph."""
    window, point = keras.Input(cells.shape[1:]), keras.Input(points.shape[1:])
    step = keras.Model([window, point], gauss_newton_step(window, point, readout), name=name)
    for _ in range(steps):
        points = step([cells, points])
    return points


def view_graph(readout: Readout, incidence: str, photons: int = 2) -> keras.Model:
    """Map cells, corner (n, 2) and fitted photons (n, 3 photons) to the views and frames of each."""
    cells = keras.Input((readout.size, readout.size), name="cells")
    corner, point = keras.Input((2,), name="corner"), keras.Input((3 * photons,), name="point")
    slope = None
    if incidence == "target":
        position = ops.reshape(point, (-1, photons, 3))[..., :2] + corner[:, None]
        slope = position / Z_TARGET
    return keras.Model([cells, corner, point], list(photon_views(cells, point, readout, slope)), name="views")


def front_shift(place: Tensor, log_energy: Tensor) -> Tensor:
    """Return the shift from the fitted position (..., 2) to the front face, cm, for photons from the target.

    A photon of slope x/Z appears at the depth t(E) of its shower, at x (1 + t/Z).
    """
    depth = X0 * (log_energy[..., None] - float(np.log(0.025)) + 1.5)
    return place / (1.0 + depth / Z_TARGET) - place


def correction_targets(
    point: np.ndarray, frame: np.ndarray, truth: np.ndarray, corner: np.ndarray, incidence: str
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the targets of the correction network, and select the photons that are usable.

    Parameters
    ----------
    point : ndarray, shape (n, 3 photons)
        Fitted photons.
    frame : ndarray, shape (n, photons, 3)
    truth : ndarray, shape (n, 3 photons)
        True photons at the front face, from the corner, with ln E.
    corner : ndarray, shape (n, 2)

    Returns
    -------
    targets : ndarray, shape (n, photons, 3)
        Shifts of x, y (in the folded frame) and ln E in typical errors.
    learnable : ndarray of bool, shape (n, photons)
        Photons that the fit found.
    """
    photons = point.shape[1] // 3
    photon, true = point.reshape(-1, photons, 3), truth.reshape(-1, photons, 3)
    position = photon[..., :2].copy()
    if incidence == "target":
        position += np.asarray(front_shift(position + corner[:, None], photon[..., 2]))
    # A photon alone is its own mirror image.
    straight = np.square(position - true[..., :2]).sum(axis=(1, 2))
    flipped = np.square(position - true[:, ::-1, :2]).sum(axis=(1, 2))
    true = np.where((flipped < straight)[:, None, None], true[:, ::-1], true)
    typical = np.asarray(scales(photon[..., 2]))
    shift = true[..., :2] - position
    learnable = np.hypot(*np.moveaxis(shift, -1, 0)) < _LEARNABLE
    folded = np.asarray(fold(shift, frame)) / typical[..., :1]
    energy = (true[..., 2:] - photon[..., 2:]) / typical[..., 1:]
    return np.concatenate([folded, energy], axis=-1).astype(np.float32), learnable


def assemble(start: keras.Model, correction: keras.Model, readout: Readout, incidence: str) -> keras.Model:
    """Assemble the estimator: ``cells`` (n, size, size) in GeV, ``corner`` (n, 2) in cm to outputs (n,).

    The number of photons is that of `start`. Outputs are ``x1 y1 e1 sx1 sy1 se1 x2 ...`` in cm and GeV at the
    front face, the more energetic photon first, errors as half of the central 68 %, and ``chi2``.
    """
    cells = keras.Input((readout.size, readout.size), name="cells")
    corner = keras.Input((2,), name="corner")
    point, quality = fitted_photons(start, readout)(cells)
    photons = point.shape[1] // 3
    views, frame = view_graph(readout, incidence, photons)([cells, corner, point])
    shifts = ops.reshape(correction(ops.reshape(views, (-1, views.shape[-1]))), (-1, photons, 6))
    columns = corrected_photons(point, shifts, frame, corner, incidence)
    return keras.Model([cells, corner], named_answers(columns) | {"chi2": quality}, name=_NAMES[photons])


def corrected_photons(
    point: Tensor, answer: Tensor, frame: Tensor, corner: Tensor, incidence: str
) -> list[Tensor]:
    """Move fitted photons (n, 3 photons) by the outputs `answer` (n, photons, 6) of the correction network.

    Returns x, y, energy at the front face and their errors, each (n, photons), in cm and GeV.
    """
    photon = ops.reshape(point, (-1, answer.shape[1], 3))
    typical = scales(photon[..., 2])
    position = photon[..., :2] + corner[:, None]
    if incidence == "target":
        position = position + front_shift(position, photon[..., 2])
    position = position + unfold(answer[..., :2] * typical[..., :1], frame)
    energy = ops.exp(photon[..., 2] + answer[..., 2] * typical[..., 1])
    width = _HALF_WIDTH * ops.exp(answer[..., 3:])
    # Errors have no sign, so the frame only exchanges x and y.
    across = ops.where(frame[..., 2:] > 0, width[..., 1::-1], width[..., :2]) * typical[..., :1]
    along = energy * width[..., 2] * typical[..., 1]
    return [position[..., 0], position[..., 1], energy, across[..., 0], across[..., 1], along]


def seed_graph(network: keras.Model) -> keras.Model:
    """Give a network of the study the inputs and outputs of `assemble`; it reports no errors.

    Parameters
    ----------
    network : keras.Model
        Maps ``cells``, or ``cells`` and ``corner``, to x, y (cm from the corner) and E of the photons.
    """
    inputs = {tensor.name: keras.Input(tensor.shape[1:], name=tensor.name) for tensor in network.inputs}
    inputs.setdefault("corner", keras.Input((2,), name="corner"))
    photons = network.output_shape[-1] // 3
    network_inputs = [inputs[tensor.name] for tensor in network.inputs]
    output = network(network_inputs if len(network_inputs) > 1 else network_inputs[0])
    photon = ops.reshape(output, (-1, photons, 3))
    position = photon[..., :2] + inputs["corner"][:, None]
    return keras.Model(
        [inputs["cells"], inputs["corner"]],
        named_answers([position[..., 0], position[..., 1], photon[..., 2]]),
        name=_NAMES[photons],
    )


def named_answers(columns: list[Tensor], found: Tensor | None = None) -> dict[str, Tensor]:
    """Return columns x, y, e[, sx, sy, se], each (n, photons), as named flat ones, the most energetic first.

    Photons whose `found` (n, photons), 1 or 0, is 0 come last and are NaN.
    """
    energy = columns[2]
    if found is not None:
        energy = ops.where(found > 0, energy, -1.0)
        columns = [ops.where(found > 0, column, np.nan) for column in columns]
    if energy.shape[1] > 1:
        order = ops.argsort(-energy, axis=-1)
        columns = [ops.take_along_axis(column, order, axis=1) for column in columns]
    names = ("x", "y", "e", "sx", "sy", "se")
    return {
        f"{name}{photon + 1}": column[:, photon]
        for photon in range(energy.shape[1])
        for name, column in zip(names, columns, strict=False)
    }
