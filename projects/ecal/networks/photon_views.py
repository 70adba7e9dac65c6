"""Views of a fitted photon: its cells without those of its neighbour, if any, in a folded frame.

Mirrors and the exchange of x and y are symmetries of the calorimeter. They bring every photon to
0 <= y offset <= x offset from the centre of its cell. A network thus sees one eighth of all cases, and its
output, transformed back, has the symmetry exactly. Only `keras.ops` are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from projects.ecal.networks.refinement import Readout, cell_variance, photon_cells

__all__ = ["fold", "photon_views", "scales", "unfold"]

#: Cells on a side of the patch around a photon.
_SIDE = 5

Tensor = Any


def scales(log_energy: Tensor) -> Tensor:
    """Return typical errors of a fitted photon, (..., 2): position (cm) and ln E, for a photon of ln(E/GeV).

    The resolution reported in the literature for such calorimeters, 6 mm/sqrt(E) and 5.5 %/sqrt(E) with
    constant terms; networks predict in its units.
    """
    inverse = ops.exp(-log_energy)
    position = ops.sqrt(0.36 * inverse + 0.03**2)
    energy = ops.sqrt(0.055**2 * inverse + 0.015**2)
    return ops.stack([position, energy], axis=-1)


def photon_views(
    cells: Tensor, point: Tensor, readout: Readout, slope: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the inputs of the correction network for one photon, or for both of a pair.

    Parameters
    ----------
    cells : tensor, shape (n, size, size)
        GeV.
    point : tensor, shape (n, 3 photons)
        Fitted photons, as in `projects.ecal.networks.refinement`.
    readout : Readout
    slope : tensor, shape (n, photons, 2), optional
        Slopes dx/dz and dy/dz of the photons if they are not perpendicular to the front face.

    Returns
    -------
    views : tensor, shape (n, photons, features)
    frame : tensor, shape (n, photons, 3)
        1 where x was mirrored, y was mirrored, x and y were exchanged (in this order), else 0.
    """
    size, photons = readout.size, point.shape[1] // 3
    (own_cells,) = photon_cells(point[:, None], readout, slopes=False)
    own_cells = own_cells[:, 0]
    photon = ops.reshape(point, (-1, photons, 3))
    energy = ops.exp(photon[..., 2])[..., None, None]

    position = photon[..., :2] / readout.pitch
    home = ops.minimum(ops.maximum(ops.round(position), 0.0), size - 1.0)
    offset = position - home
    mirror_x = ops.cast(offset[..., 0] < 0, "float32")
    mirror_y = ops.cast(offset[..., 1] < 0, "float32")
    exchange = ops.cast(ops.absolute(offset[..., 1]) > ops.absolute(offset[..., 0]), "float32")
    frame = ops.stack([mirror_x, mirror_y, exchange], axis=-1)

    data = cells[:, None]
    neighbour_cells = own_cells[:, ::-1] if photons == 2 else ops.zeros_like(own_cells)
    isolated = (data - neighbour_cells) / energy
    pulls = (data - neighbour_cells - own_cells) / ops.sqrt(cell_variance(data))
    lit = ops.cast(data > 0, "float32") * ops.ones_like(neighbour_cells)
    planes, neighbour, partner = [_root(isolated), 0.3 * pulls], [], []
    if photons == 2:
        neighbour_photon = photon[:, ::-1]
        planes.append(neighbour_cells / (neighbour_cells + own_cells + 0.05))
        away = fold((neighbour_photon[..., :2] - photon[..., :2]) / readout.pitch, frame)
        distance = ops.sqrt(ops.sum(ops.square(away), axis=-1, keepdims=True) + 1e-6)
        neighbour, partner = (
            [away * 0.5, ops.log(distance), away / distance],
            [0.5 * neighbour_photon[..., 2:]],
        )
    patch = _cut(ops.stack([*planes, lit], axis=-1), ops.cast(home, "int32"), size)

    mirror_x, mirror_y, exchange = (
        flag[..., None, None, None] > 0 for flag in (mirror_x, mirror_y, exchange)
    )
    patch = ops.where(mirror_x, patch[..., ::-1, :], patch)
    patch = ops.where(mirror_y, patch[..., ::-1, :, :], patch)
    patch = ops.where(exchange, ops.swapaxes(patch, 2, 3), patch)

    border = ops.concatenate([home, size - 1 - home], axis=-1)
    facts = [
        fold(offset, frame),
        *neighbour,
        0.5 * photon[..., 2:],
        *partner,
        ops.sum(isolated, axis=(2, 3))[..., None],
        0.1 * ops.log(ops.mean(ops.square(pulls), axis=(2, 3)) + 0.01)[..., None],
        ops.min(ops.minimum(border, 2.0), axis=-1, keepdims=True) * 0.5,
    ]
    if slope is not None:
        facts.append(fold(slope, frame) * 50.0)
    flat = ops.reshape(patch, (-1, photons, _SIDE * _SIDE * patch.shape[-1]))
    return ops.concatenate([flat, *facts], axis=-1), frame


def fold(shift: Tensor, frame: Tensor) -> Tensor:
    """Transform a vector (..., 2) from the window's to the folded frame."""
    shift = shift * (1 - 2 * frame[..., :2])
    return ops.where(frame[..., 2:] > 0, shift[..., ::-1], shift)


def unfold(shift: Tensor, frame: Tensor) -> Tensor:
    """Transform a vector (..., 2) from the folded to the window's frame."""
    shift = ops.where(frame[..., 2:] > 0, shift[..., ::-1], shift)
    return shift * (1 - 2 * frame[..., :2])


def _root(value: Tensor) -> Tensor:
    """Compute a square root that preserves the sign and is linear near zero."""
    return value / ops.sqrt(ops.absolute(value) + 0.01) * 3.0


def _cut(planes: Tensor, home: Tensor, size: int) -> Tensor:
    """Cut patches (n, photons, _SIDE, _SIDE, planes) around `home` (n, photons, 2: ix, iy); 0 outside."""
    reach, photons, depth = _SIDE // 2, planes.shape[1], planes.shape[-1]
    wide = size + 2 * reach
    padded = ops.pad(planes, ((0, 0), (0, 0), (reach, reach), (reach, reach), (0, 0)))
    padded = ops.reshape(padded, (-1, photons, wide * wide, depth))
    span = np.arange(_SIDE)
    inner = (span[:, None] * wide + span[None, :]).reshape(-1).astype("int32")
    rows = ops.add((home[..., 1] * wide + home[..., 0])[..., None], inner)
    patch = ops.take_along_axis(padded, rows[..., None], axis=2)
    return ops.reshape(patch, (-1, photons, _SIDE, _SIDE, depth))
