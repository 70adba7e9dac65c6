"""The fit inside the network: derivatives, minima and symmetries."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize
from toy_showers import TOY, mean_cells, pairs

from projects.ecal.detector import PITCH
from projects.ecal.networks import pair_graph, photon_views, refinement
from projects.ecal.networks.refinement import Readout, chi2, gauss_newton_step, photon_cells

READOUT = Readout(TOY.a, TOY.b, PITCH, 0.1, 9)


def windows_of(truth: np.ndarray) -> np.ndarray:
    """Mean cells (n, 9, 9) above the threshold; the window's corner is at (-4, -4) cells."""
    _, _, energy = mean_cells(truth, half=4)
    cells = energy.reshape(-1, 9, 9)
    return np.where(cells > READOUT.threshold, cells, 0).astype(np.float32)


def points_of(truth: np.ndarray) -> np.ndarray:
    """Pairs (n, 1, 6) as the fit takes them, from the window's corner."""
    point = truth.copy()
    point[..., :2] += 4 * PITCH
    point[..., 2] = np.log(point[..., 2])
    return point.reshape(-1, 1, 6).astype(np.float32)


@pytest.fixture
def truth() -> np.ndarray:
    return pairs(np.random.default_rng(1), 40)


def test_cells_of_a_photon_are_the_profile(truth: np.ndarray) -> None:
    each, _, _ = photon_cells(points_of(truth), READOUT)
    _, _, energy = mean_cells(truth, half=4)
    # The profile ends 20 cm from the shower; what the graph has beyond is far below the threshold.
    found = np.asarray(each).sum(axis=2).reshape(len(truth), -1)
    np.testing.assert_allclose(found, energy, rtol=2e-3, atol=0.2 * READOUT.threshold)


@pytest.mark.parametrize("axis", [0, 1])
def test_slopes_are_derivatives(truth: np.ndarray, axis: int) -> None:
    step = 0.02
    forward, back = points_of(truth), points_of(truth)
    forward[..., axis] += step
    back[..., axis] -= step
    ahead, behind = (
        np.asarray(photon_cells(point, READOUT, slopes=False)[0])[:, 0, 0] for point in (forward, back)
    )
    slope = np.asarray(photon_cells(points_of(truth), READOUT)[1 + axis])[:, 0, 0]
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=0.02, atol=0.02)


def test_the_truth_is_a_fixed_point_on_mean_showers(truth: np.ndarray) -> None:
    point = points_of(truth)
    after = np.asarray(gauss_newton_step(windows_of(truth), point, READOUT))
    np.testing.assert_allclose(after, point, atol=2e-3)


def test_steps_end_at_the_minimum_that_a_general_minimiser_finds() -> None:
    rng = np.random.default_rng(3)
    truth = pairs(rng, 3)
    cells = windows_of(truth)
    noisy = cells + np.sqrt(np.asarray(refinement.cell_variance(cells))) * 0.3 * rng.normal(size=cells.shape)
    cells = np.where(cells > 0, np.maximum(noisy, 0.11), 0).astype(np.float32)
    point = points_of(truth) + rng.normal(0, 0.2, (3, 1, 6)).astype(np.float32)
    for _ in range(12):
        point = np.asarray(gauss_newton_step(cells, point, READOUT))
    # Asked a thousand times, it is worth compiling.
    compiled = tf.function(lambda cells, point: chi2(cells, point, READOUT))
    for event in range(len(truth)):
        own = tf.constant(cells[event : event + 1])

        def objective(vector: np.ndarray, own: tf.Tensor = own) -> float:
            return float(compiled(own, tf.constant(vector.reshape(1, 1, 6), tf.float32))[0, 0])

        best = minimize(objective, point[event, 0], method="Nelder-Mead", options={"maxiter": 800})
        assert objective(point[event, 0]) < best.fun + 0.02


def test_damping_keeps_two_photons_on_one_spot_finite() -> None:
    point = np.tile(np.float32([15.0, 15.0, 3.0]), 2).reshape(1, 1, 6)
    cells = windows_of(np.array([[[0.0, 0.0, 30.0], [0.0, 0.0, 10.0]]]))
    for _ in range(5):
        point = np.asarray(gauss_newton_step(cells, point, READOUT))
    assert np.isfinite(point).all()


def test_the_folded_view_has_the_eight_symmetries(truth: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    cells = windows_of(truth) * rng.uniform(0.9, 1.1, (len(truth), 9, 9)).astype(np.float32)
    point = points_of(truth)[:, 0] + rng.normal(0, 0.1, (len(truth), 6)).astype(np.float32)
    base, frame = (np.asarray(part) for part in photon_views.photon_views(cells, point, READOUT))
    far = 8 * PITCH
    mirrored = point.copy()
    mirrored[:, 0::3] = far - mirrored[:, 0::3]
    seen, _ = photon_views.photon_views(np.ascontiguousarray(cells[:, :, ::-1]), mirrored, READOUT)
    np.testing.assert_allclose(np.asarray(seen), base, atol=2e-3)
    turned = point[:, [1, 0, 2, 4, 3, 5]]
    seen, _ = photon_views.photon_views(np.ascontiguousarray(cells.swapaxes(1, 2)), turned, READOUT)
    np.testing.assert_allclose(np.asarray(seen), base, atol=2e-3)
    assert set(np.unique(frame)) == {0.0, 1.0}


def test_unfolding_undoes_folding() -> None:
    rng = np.random.default_rng(4)
    shift = rng.normal(size=(50, 2, 2)).astype(np.float32)
    frame = rng.integers(0, 2, (50, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(photon_views.unfold(photon_views.fold(shift, frame), frame)), shift)


@pytest.mark.parametrize("incidence", ["normal", "target"])
def test_a_correction_that_knows_its_targets_recovers_the_truth(truth: np.ndarray, incidence: str) -> None:
    rng = np.random.default_rng(5)
    point = points_of(truth)[:, 0] + rng.normal(0, 0.05, (len(truth), 6)).astype(np.float32)
    corner = np.full((len(truth), 2), -4 * PITCH, np.float32)
    cells = windows_of(truth)
    view_graph = pair_graph.view_graph(READOUT, incidence)

    def targets(point: np.ndarray) -> np.ndarray:
        frame = np.asarray(view_graph([cells, corner, point])[1])
        found, learnable = pair_graph.correction_targets(
            point, frame, points_of(truth)[:, 0], corner, incidence
        )
        assert learnable.all()
        return found

    # Also of points that the fit would not stop at.
    assert np.abs(targets(point)).max() > 0

    @keras.saving.register_keras_serializable("tests")
    class Oracle(keras.layers.Layer):
        """Answers of the right size from the targets of these events."""

        def call(self, view):
            known = target.reshape(-1, 3)
            return keras.ops.concatenate([known, keras.ops.zeros_like(known)], axis=-1) + 0 * view[:, :1]

        def compute_output_shape(self, shape):
            return (shape[0], 6)

    class Given(keras.layers.Layer):
        """Starts at the fitted point itself, which further steps leave where it is."""

        def call(self, cells):
            return keras.ops.convert_to_tensor(points_of(truth)) + 0 * cells[:, :1, :1]

        def compute_output_shape(self, shape):
            return (shape[0], 1, 6)

    window = keras.Input((9, 9))
    start = keras.Model(window, Given()(window))
    # Called and not compiled, which takes longer than all the rest.
    target = targets(np.asarray(pair_graph.fitted_photons(start, READOUT)(cells)[0]))
    features = view_graph.output_shape[0][-1]
    view = keras.Input((features,))
    graph = pair_graph.assemble(start, keras.Model(view, Oracle()(view)), READOUT, incidence)
    answer = {name: np.asarray(values) for name, values in graph([cells, corner]).items()}
    found = np.stack([np.stack([answer[f"{axis}{k}"] for axis in "xye"], axis=-1) for k in (1, 2)], axis=1)
    true = np.take_along_axis(truth, np.argsort(-truth[..., 2], axis=1)[..., None], axis=1)
    np.testing.assert_allclose(found, true, rtol=2e-3, atol=2e-3)
    assert (found[:, 0, 2] >= found[:, 1, 2]).all()
