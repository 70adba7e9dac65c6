"""The search for X -> HH -> bb ZZ* with a network that takes the mass of X as an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.pnn import flatness
from projects.pnn.halves import selected
from projects.pnn.schema import BACKGROUNDS, HELD_OUT, MASSES, SCHEMA, is_signal, label
from projects.pnn.simulation import events as simulation
from shashlik.exceptions import BadInput
from shashlik.statistics import Binning, Criteria, Published, Scores
from shashlik.task.definition import Finding, Task
from shashlik.task.estimator import Estimator
from shashlik.task.rule import ScoreRule
from shashlik.task.sample import Predictions, Sample
from shashlik.task.search_space import Choice, Range, Space
from shashlik.task.settings import RunSettings, setting

__all__ = ["SEED_AUC", "SEED_SINGLE_AUC", "TASK", "Settings", "scores"]

#: Areas under the curve of the original study, for its ensemble and its single-mass networks.
_PUBLISHED = tuple(mass for mass in MASSES if mass not in HELD_OUT and mass <= 1000)
SEED_AUC = dict(
    zip(
        _PUBLISHED,
        (0.94, 0.93, 0.92, 0.93, 0.95, 0.96, 0.97, 0.97, 0.98, 0.98, 0.99, 0.99, 0.99),
        strict=True,
    )
) | {mass: 1.0 for mass in MASSES if mass > 1000}
SEED_SINGLE_AUC = dict(
    zip(
        _PUBLISHED,
        (0.93, 0.89, 0.88, 0.90, 0.91, 0.92, 0.93, 0.95, 0.96, 0.97, 0.97, 0.98, 0.98),
        strict=True,
    )
)


@dataclass(frozen=True)
class Settings(RunSettings):
    """Parameters of the task; the training has those of the original study."""

    train_events: int = setting(100_000, "events that are simulated, or read from data at most", least=400)
    test_events: int = setting(100_000, "how many of them are judged", least=200)
    engine: str = setting(
        "fast", "what makes the events; pythia needs the extra of that name", allowed=("fast", "pythia")
    )
    selected: bool = setting(True, "simulate only events that pass the preselection")
    members: int = setting(10, "networks of each half's ensemble", least=1, most=100)
    epochs: int = setting(15, "longest training", least=1)
    batch: int = setting(256, "events in a step", least=16)
    width: int = setting(25, "units of a hidden layer", least=1, most=500)
    depth: int = setting(3, "hidden layers; each sees all before it", least=1, most=10)
    low_rate: float = setting(
        1e-3, "rate at which the cycle begins; 0: what the finder suggests", least=0, most=1
    )
    high_rate: float = setting(1e-2, "rate to which it rises; 0: what the finder suggests", least=0, most=1)
    patience: int = setting(5, "epochs without a better loss of any member before a training ends", least=1)
    comparisons: bool = setting(
        True, "train networks of a single mass, and some that know no mass, to compare"
    )
    cuts: bool = setting(True, "compare with windows on masses, which need the column HH_cand_mass")
    trees: int = setting(100, "boosted trees that know the mass, to compare; 0: none", least=0)
    folds: str = setting("", "folder for the events as fold files of LUMIN; none if empty")


def simulate(settings: Settings, events: int, seed: int) -> Sample:
    """Simulate signal of all masses and Z + jets, by our own simulation or by Pythia."""
    if settings.engine == "pythia":
        from projects.pnn.simulation import pythia

        return pythia.simulate(events, seed, settings.selected)
    return simulation.simulate(events, seed, settings.selected)


def estimators(settings: Settings) -> Sequence[Estimator]:
    """Return windows, boosted trees, networks without and of a single mass, and the ensemble."""
    from projects.pnn.baselines import Trees, Windows
    from projects.pnn.cross_fit import Crossed
    from projects.pnn.ensemble.methods import Ensemble, Singles
    from projects.pnn.ensemble.one_cycle import Cycle

    cycle = Cycle(
        settings.epochs, settings.batch, settings.low_rate, settings.high_rate, patience=settings.patience
    )
    # Networks for comparison do not use the finder, so they have fixed rates where it would set them.
    plain = Cycle(
        settings.epochs,
        settings.batch,
        settings.low_rate or 1e-3,
        settings.high_rate or 1e-2,
        patience=settings.patience,
    )
    shape = settings.width, settings.depth
    compared: list[Estimator] = []
    if settings.cuts:
        compared.append(Crossed("window", Windows(("HH_cand_mass",)), HELD_OUT))
        compared.append(Crossed("window-2d", Windows(("HH_cand_mass", "Higgsbb_cand_mass")), HELD_OUT))
    if settings.trees:
        compared.append(Crossed("trees", Trees(settings.trees), HELD_OUT))
    if settings.comparisons:
        fewer_members = min(settings.members, 3)
        compared.append(
            Crossed("no-mass", Ensemble(fewer_members, plain, *shape, parameterised=False), HELD_OUT)
        )
        # They train on the held-out mass too: an upper limit of the interpolation.
        compared.append(Crossed("single-mass", Singles(plain, *shape)))
    network = Ensemble(settings.members, cycle, *shape, find=True)
    return [*compared, Crossed("network", network, HELD_OUT, settings.folds)]


def scores(sample: Sample, predictions: Predictions) -> Scores:
    """Return responses to preselected events, under the masses of which the sample has signal.

    Raises
    ------
    BadInput
        If no signal of a known mass, or no background, passes the preselection.
    """
    signal, true = is_signal(sample), np.asarray(sample["res_mass"])
    rows = selected(sample) & (~signal | np.isin(true, MASSES))
    signal, true = signal[rows], true[rows]
    masses = np.array([mass for mass in MASSES if (signal & (true == mass)).any()], dtype=float)
    if not len(masses) or signal.all():
        missing = "background" if len(masses) else f"signal of a known mass ({', '.join(map(str, MASSES))})"
        raise BadInput(f"{sample.source}: no {missing} passes the preselection; add a file with some")
    m_bb, m_zz = sample["Higgsbb_cand_mass"], sample["HiggsZZ_cand_mass"]
    # Without the column, the smallest possible mass of the two.
    m_hh = sample["HH_cand_mass"] if "HH_cand_mass" in sample else m_bb + m_zz
    return Scores(
        response=np.stack([np.asarray(predictions[label(mass)])[rows] for mass in masses], axis=1),
        asked=~signal[:, None] | (true[:, None] == masses),
        signal=signal,
        weights=np.ones(len(signal)),
        physical=np.asarray(sample["weight_central"], dtype=float)[rows],
        hypotheses=tuple(label(mass) for mass in masses),
        values=masses,
        held_out=np.isin(masses, HELD_OUT),
        variables={"m_hh": m_hh[rows], "m_bb": m_bb[rows]},
    )


def findings(fitted: Mapping[str, Estimator]) -> Mapping[str, Finding]:
    """Report the learning-rate finder and the training of the members."""
    from projects.pnn.ensemble import findings as training_findings

    return training_findings.findings(fitted["network"])


def extra_metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, float]:
    """Return the flatness of tail probabilities on background, and where those of signals are lowest."""
    return flatness.metrics(flatness.measured(sample, predictions))


def pictures(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Figure]:
    """Draw the tail probabilities of the network."""
    network = flatness.measured(sample, {"network": predictions["network"]})["network"]
    return {"tail_probability": flatness.draw(network)}


def files(sample: Sample) -> Mapping[str, NDArray[np.bool_]]:
    """Select one file per mass and background, named like the original study's files."""
    process, mass = np.asarray(sample["process"]), np.asarray(sample["res_mass"])
    masks: dict[str, Any] = {
        f"GluGluToRadionToHHTo2B2ZTo2L2J_M-{hypothesis}_narrow": is_signal(sample) & (mass == hypothesis)
        for hypothesis in MASSES
    }
    masks |= {name: process == code for code, name in BACKGROUNDS.items()}
    return {name: rows for name, rows in masks.items() if rows.any()}


_M_HH = (200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 600.0, 700.0, 800.0, 1000.0, 1300.0, 2000.0)

TASK = Task(
    name="pnn",
    title="X -> HH -> bb ZZ: a network parameterised by the mass against single masses, trees and cuts",
    description=(
        "Signal of twenty masses of X and Z + jets, told apart by one ensemble of networks that takes the "
        "mass as an input. 900 GeV is never learned and shows whether it interpolates. Each half of the "
        "events is judged by what was learned from the other."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets={
        "default": {},
        "smoke": {
            "train_events": 12_000,
            "test_events": 12_000,
            "members": 3,
            "epochs": 5,
            "batch": 128,
            "trees": 50,
        },
        "seed": {"train_events": 1_544_292, "test_events": 1_544_292, "batch": 1024},
    },
    simulate=simulate,
    estimators=estimators,
    scores=scores,
    criteria=Criteria(
        label="$m_X$",
        unit="GeV",
        log=True,
        sculpted=(
            Binning("m_hh", "GeV", "$m_{HH}$", _M_HH, log=True),
            Binning("m_bb", "GeV", "$m_{bb}$", tuple(np.linspace(20.0, 240.0, 12))),
        ),
        published=(
            Published("original study", {label(mass): auc for mass, auc in SEED_AUC.items()}),
            Published("its single masses", {label(mass): auc for mass, auc in SEED_SINGLE_AUC.items()}),
        ),
    ),
    pictures=pictures,
    extra_metrics=extra_metrics,
    findings=findings,
    rule=ScoreRule(primary=("auc", "ams"), rivals=("window-2d", "trees"), margin=0.01, peak=1),
    frozen_events=120_000,
    crossed=True,
    files=files,
    spaces={
        "default": Space(
            {
                "width": Range(10, 60, step=5),
                "depth": Range(1, 4),
                "high_rate": Range(1e-3, 5e-2, log=True),
                "batch": Choice((256, 512, 1024, 2048)),
            },
            fixed={"comparisons": False, "trees": 0, "cuts": False},
            epochs="epochs",
        )
    },
)
