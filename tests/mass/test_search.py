"""The search for the smallest network: its competitors, its choice, its continuation, what it tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from projects.mass import networks
from projects.mass.minimal import Search, front
from projects.mass.networks import Architecture
from shashlik.estimators import levenberg_marquardt
from shashlik.estimators.training import prepare
from shashlik.task import catalog
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve

TASK = catalog.load("mass")
BASES = {"cartesian": ("e", "px", "py", "pz"), "polar": ("e", "pt", "eta", "phi")}


def products(basis: str, count: int):
    """The task's own network; a task is imported by nobody, so it is taken from what it hands over."""
    return full_search(basis).family[f"products-{count}"].build(basis)


def full_search(basis: str) -> Search:
    found = TASK.estimators(resolve(TASK.settings, TASK.presets, {"preset": "minimal", "basis": basis}))[-1]
    assert isinstance(found, Search)
    return found


def events(basis: str, number: int = 2000, seed: int = 1) -> Sample:
    return TASK.simulate(resolve(TASK.settings, TASK.presets, {"basis": basis}), number, seed)


@pytest.mark.parametrize("basis", ["cartesian", "polar"])
def test_sizes(basis: str) -> None:
    # A product has one exponent for each logarithm (the azimuth has none) and one factor.
    product = {"cartesian": 5, "polar": 4}[basis]
    wanted = {
        "seed": 121,
        "squares": 4,
        "squares-softplus-1": 7,
        "squares-softplus-2": 13,
        "squares-softplus-3": 19,
        "squares-gelu-3": 19,
        "products-3": 3 * product,
        "products-4": 4 * product,
        "gelu-8-2": 61,
        "gelu-16-4": 153,
    }
    found = full_search(basis).family
    assert {name: member.build(basis).count_params() for name, member in found.items()} == wanted
    assert {"default", "search", *found} == set(
        TASK.settings.__dataclass_fields__["network"].metadata["allowed"]
    )


def test_front() -> None:
    assert front([4, 13, 20, 121], [0.1, 0.2, 0.01, 0.5]) == [0, 2]
    assert front([20, 4], [0.1, 0.1]) == [1], "the smaller of equals"
    assert front([4, 4], [0.3, 0.2]) == [1]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start of three steps: the squares are found at once, everything else is missed in a second."""
    monkeypatch.setattr(levenberg_marquardt, "_STARTS", 1)
    monkeypatch.setattr(levenberg_marquardt, "_STEPS", 3)


@pytest.fixture
def small() -> Search:
    """A search among three, of which one is found at once and one cannot succeed."""
    whole = full_search("cartesian")
    members = {name: whole.family[name] for name in ("squares", "squares-softplus-1", "products-3")}
    return replace(whole, family=members, trainings=2)


@pytest.mark.parametrize("effort", ["hasty", pytest.param("full", marks=pytest.mark.slow)])
def test_finds_the_smallest_that_succeeds_and_says_so(
    effort: str, small: Search, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if effort == "hasty":
        request.getfixturevalue("hasty")
    seen: list[tuple[str, int]] = []
    bench = Bench(5, tmp_path, curve=lambda name, values, step: seen.append((name, step)))
    fitted = small.fit(events("cartesian", 600), bench)
    assert [(trial.architecture, trial.parameters) for trial in fitted.trials] == [
        ("squares", 4),
        ("squares", 4),
        ("squares-softplus-1", 7),
        ("squares-softplus-1", 7),
        ("products-3", 15),
        ("products-3", 15),
    ]
    assert {("squares", 0), ("squares", 1), ("products-3", 1)} <= set(seen)
    found = events("cartesian", 1000, 2)
    assert np.mean(np.abs(fitted.predict(found)["mass"] / found["mass"] - 1) < 0.1) > 0.99
    finding = fitted.finding()
    rows = [line.split("|")[1:-1] for line in finding.table.splitlines() if line.startswith("| ")][2:]
    assert [row[0].strip() for row in rows] == ["squares", "squares-softplus-1", "products-3"]
    assert [row[-1].strip() for row in rows] == ["2 of 2", "0 of 2", "0 of 2"]
    assert "**squares**, 4 parameters" in finding.table
    assert "300 unseen events" in finding.table
    (axes,) = finding.figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [row[0].strip() for row in rows]


def test_continues_where_it_was_interrupted(
    small: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(small, family={"squares": small.family["squares"]})
    written: list[Path] = []
    train = events("cartesian", 600)
    whole = alone.fit(train, Bench(5, tmp_path, checkpointed=written.append))
    assert len(written) == 2

    def never(*given):
        raise AssertionError("trained again")

    monkeypatch.setattr(Architecture, "train", never)
    again = alone.fit(train, Bench(5, tmp_path))
    assert [trial.success for trial in again.trials] == [trial.success for trial in whole.trials]


def test_before_the_fit(small: Search) -> None:
    with pytest.raises(ValueError, match="network has not been fitted"):
        small.predict(events("cartesian", 300))


@pytest.mark.parametrize(
    ("basis", "trainings", "given"),
    [
        ("cartesian", 3, {}),
        # At rest the mass is the energy, and the first start is good enough.
        ("polar", 2, {"max_p": "0"}),
        pytest.param("cartesian", 5, {}, marks=pytest.mark.slow),
        pytest.param("polar", 2, {}, marks=pytest.mark.slow),
    ],
)
def test_twenty_weights_suffice(basis: str, trainings: int, given: dict[str, str], tmp_path: Path) -> None:
    """What the task is about: at least 99 % of unseen masses within 10 %, by at most 20 weights.

    A training may end in a false minimum; it may not fall below 90 %, the notebook's aim, and most do not.
    """
    settings = resolve(TASK.settings, TASK.presets, {"basis": basis, **given})
    unseen = TASK.simulate(settings, 5000, 99)
    shares = []
    for seed in range(trainings):
        *_, network = TASK.estimators(settings)
        train = TASK.simulate(settings, 2000, seed)
        fitted = network.fit(train, Bench(seed, tmp_path / str(seed)))
        assert fitted.trained.count_params() == 20
        shares.append(np.mean(np.abs(fitted.predict(unseen)["mass"] / unseen["mass"] - 1) < 0.1))
    assert min(shares) >= 0.9
    assert sum(share >= 0.99 for share in shares) > trainings / 2


@pytest.mark.parametrize("steps", [600, pytest.param(2600, marks=pytest.mark.slow)])
def test_notebook_network_misses_its_aim(steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its layers are linear, and m is not: 10 to 12 % on the fixed generator, and soon."""
    whole = networks._SCHEDULE
    assert sum(number for number, _ in whole) == 2600
    monkeypatch.setattr(networks, "_SCHEDULE", whole if steps == 2600 else whole[:2])
    prepare(1)
    seed = networks.family(products)["seed"]
    sample = events("cartesian", 20_000)
    inputs = np.stack([sample[name] for name in BASES["cartesian"]], axis=1)
    model = seed.train("cartesian", inputs, sample["mass"][:, None], Bench(1, tmp_path))
    found = model(inputs.astype(np.float32)).numpy()[:, 0]
    assert 0.08 < np.mean(np.abs(found / sample["mass"] - 1) < 0.1) < 0.14
