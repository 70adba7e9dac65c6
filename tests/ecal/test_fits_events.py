"""Whole events through both fits: what they find, what must not matter, what has no answer."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from toy_showers import TOY, flat, mean_cells, pairs, sample, singles

from projects.ecal.detector import PITCH, X0, Z_TARGET
from projects.ecal.fits.baselines import baselines
from projects.ecal.fits.reconstruction import Reconstruction
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench

RULES = ("coral", "lednev")


def fit(rules, **changes):
    return replace(Reconstruction(rules, TOY.a, TOY.b, PITCH, Z_TARGET, X0), **changes)


def seen(truth, half=6):
    """Cells above a threshold of 0.1 GeV, without noise."""
    ix, iy, mean = mean_cells(truth, half=half)
    return flat(ix, iy, mean, mean >= 0.1)


def by_energy(truth):
    return np.take_along_axis(truth, np.argsort(-truth[:, :, 2:], axis=1), axis=1)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("apart", [8.0, 16.0])
def test_two_photons_are_found_where_they_are(rules, apart):
    truth = pairs(np.random.default_rng(1), 200, apart)
    found = fit(rules).find(*seen(truth, half=8))
    assert (found.number == 2).mean() > 0.97
    good = found.number == 2
    off = np.abs(found.photons - by_energy(truth))[good]
    assert np.median(off[..., :2]) < 0.02
    assert np.median(off[..., 2] / by_energy(truth)[good][..., 2]) < 0.01


@pytest.mark.parametrize("rules", RULES)
def test_one_photon_is_one(rules):
    truth = singles(np.random.default_rng(2), 200)
    found = fit(rules).find(*seen(truth))
    assert (found.number == 1).mean() > 0.97
    assert np.isnan(found.photons[found.number == 1, 1]).all()


@pytest.mark.parametrize("rules", RULES)
def test_a_fixed_hypothesis_is_kept(rules):
    truth = singles(np.random.default_rng(2), 20)
    for wanted in (1, 2):
        assert (fit(rules, wanted=wanted).find(*seen(truth)).number == wanted).all()


@pytest.mark.parametrize("rules", RULES)
def test_order_of_cells_does_not_matter(rules):
    truth = pairs(np.random.default_rng(6), 50)
    offsets, x, y, energy = seen(truth)
    order = np.concatenate(
        [
            np.random.default_rng(n).permutation(np.arange(a, b))
            for n, (a, b) in enumerate(itertools.pairwise(offsets))
        ]
    )
    one = fit(rules).find(offsets, x, y, energy)
    other = fit(rules).find(offsets, x[order], y[order], energy[order])
    np.testing.assert_allclose(one.photons, other.photons, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rules", RULES)
def test_shifted_by_a_cell_the_answer_is_shifted(rules):
    offsets, x, y, energy = seen(pairs(np.random.default_rng(7), 50))
    here = fit(rules).find(offsets, x, y, energy)
    there = fit(rules).find(offsets, x + PITCH, y - 2 * PITCH, energy)
    shift = np.array([PITCH, -2 * PITCH, 0.0])
    np.testing.assert_allclose(there.photons, here.photons + shift, atol=1e-6)


@pytest.mark.parametrize("rules", RULES)
def test_started_at_the_truth_it_stays_there(rules):
    truth = pairs(np.random.default_rng(8), 50)
    found = fit(rules).refine(*seen(truth), truth)
    np.testing.assert_allclose(found.photons[..., :2], truth[..., :2], atol=0.1)
    truth[3, 1, 0] = np.nan
    assert np.isnan(fit(rules).refine(*seen(pairs(np.random.default_rng(8), 50)), truth).photons[3]).all()


BROKEN = {
    "empty": ([], []),
    "below threshold": ([0.0], [0.05]),
    "negative": ([0.0, PITCH], [-3.0, -1.0]),
    "energy not a number": ([0.0, PITCH], [np.nan, 20.0]),
    "energy infinite": ([0.0, PITCH], [np.inf, 20.0]),
    "position not a number": ([np.nan, PITCH], [5.0, 20.0]),
    "a cell a kilometre away": ([0.0, 1e5], [5.0, 20.0]),
}


@pytest.mark.parametrize("rules", RULES)
def test_events_without_an_answer_do_not_disturb_others(rules):
    good = seen(singles(np.random.default_rng(9), 1))
    x, y, energy, counts = [], [], [], []
    for position, values in BROKEN.values():
        x += [*position, *good[1]]
        y += [*np.zeros(len(position)), *good[2]]
        energy += [*values, *good[3]]
        counts += [len(position), len(good[1])]
    found = fit(rules).find(np.cumsum([0, *counts]), np.array(x), np.array(y), np.array(energy))
    assert np.isnan(found.photons[0::2]).all()
    assert np.isnan(found.chi2[0::2]).all()
    assert (found.number[0::2] == 0).all()
    alone = fit(rules).find(*good)
    np.testing.assert_array_equal(found.photons[1::2], np.repeat(alone.photons, len(BROKEN), axis=0))


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_one_lit_cell_is_no_exception(rules, wanted):
    found = fit(rules, wanted=wanted).find(np.array([0, 1]), np.zeros(1), np.zeros(1), np.full(1, 20.0))
    assert found.number[0] <= max(wanted, 2)
    assert np.isfinite(found.photons[0, : found.number[0]]).all()


def test_no_events():
    nothing = np.empty(0)
    assert fit("coral").find(np.zeros(1, int), nothing, nothing, nothing).photons.shape == (0, 2, 3)


def test_from_the_target_the_front_face_lies_closer_to_the_axis():
    found = fit("coral").find(*seen(singles(np.random.default_rng(2), 5)))
    shifted = found._replace(photons=found.photons + np.array([100.0, 0.0, 0.0]))
    normal, target = fit("coral").columns(shifted), fit("coral", incidence="target").columns(shifted)
    depth = X0 * (np.log(normal["e1"] / 0.025) + 1.5)
    np.testing.assert_allclose(target["x1"] * (1 + depth / Z_TARGET), normal["x1"])
    assert ((normal["x1"] - target["x1"]) > 0.3).all()


def test_lists_of_baselines():
    fits = ["coral", "coral-tuned", "lednev", "lednev-tuned"]
    assert [one.name for one in baselines(1, "normal")] == ["gravity", *fits]
    assert [one.name for one in baselines(2, "target")] == fits
    assert [one.name for one in baselines(3, "target", mixed=True)] == fits
    with pytest.raises(BadInput, match="allowed: 1 to 8"):
        baselines(9, "normal")
    with pytest.raises(BadInput, match="allowed: normal, target"):
        baselines(2, "sideways")


@pytest.mark.parametrize(("photons", "name"), [(2, "lednev"), (1, "gravity")])
def test_travels_as_one_file(photons, name, tmp_path):
    truth = (singles if photons == 1 else pairs)(np.random.default_rng(10), 8)
    events = sample(truth, seen(truth))
    estimator = next(one for one in baselines(photons, "normal") if one.name == name)
    estimator = estimator.fit(events, Bench(seed=1, scratch=tmp_path)) if photons == 2 else estimator
    portable = estimator.portable(tmp_path / "model")
    columns = {key: ak.to_list(events[key]) for key in portable.inputs}
    (tmp_path / "columns.json").write_text(json.dumps(columns))
    code = (
        "import importlib.util, json, sys\n"
        f"spec = importlib.util.spec_from_file_location('estimator', {str(portable.module)!r})\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['estimator'] = module\n"
        "spec.loader.exec_module(module)\n"
        f"predict = module.load({ {key: str(path) for key, path in portable.files.items()}!r})\n"
        "answer = predict(json.load(open('columns.json')))\n"
        "assert 'projects' not in sys.modules\n"
        "print(json.dumps({key: list(value) for key, value in answer.items()}))\n"
    )
    command = [sys.executable, "-P", "-c", code]
    # interpreted, since compiling the same code once more takes longer than all other tests here
    plain = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True, check=True)
    answer = json.loads(run.stdout)
    expected = estimator.predict(events)
    assert set(answer) == set(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(np.array(answer[key], dtype=float), values, rtol=1e-6)
