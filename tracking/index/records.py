"""Records of the index of evidence: one per row of a table, with the names of its columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "TEST",
    "Estimator",
    "Head",
    "Line",
    "Origin",
    "Ratio",
    "Selection",
    "Standing",
    "Statistic",
    "frozen",
]

#: Name of the test sample of a run.
TEST = "test"


def frozen(version: int) -> str:
    """Build the name of a frozen sample."""
    return f"frozen {version}"


@dataclass(frozen=True)
class Origin:
    """Origin of evidence: its location and its author, which the index adds to it.

    Parameters
    ----------
    run, experiment, name : str
        Ids of the run and its experiment, and the name of the run.
    sample : str
        `TEST`, or a sample named by `frozen`.
    artifact : str
        Path of the evidence below the artifacts of the run; a run has one evidence per path.
    time : int
        Start of the run in milliseconds since 1970.
    user, commit : str
        User who started the run, and commit of the code; empty if unknown.
    versions : mapping of str to int
        Registered versions by the name of their estimator in the evidence.
    """

    run: str
    experiment: str
    name: str
    sample: str
    artifact: str
    time: int
    user: str = ""
    commit: str = ""
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """Evidence in the index: its `Origin`, and the facts of its sample.

    Parameters
    ----------
    id : int
        Number in the index, valid until the index is rebuilt.
    kind, subject, task, source, sample_sha256, events, objects, seed
        See `tracking.evidence.resolution.Evidence` and its facts.
    sha256 : str
        Hash of the evidence.
    """

    id: int
    run: str
    experiment: str
    name: str
    sample: str
    artifact: str
    time: int
    user: str
    commit: str
    task: str
    kind: str
    subject: str
    sha256: str
    sample_sha256: str
    source: str
    events: int
    objects: int
    seed: int


@dataclass(frozen=True)
class Estimator:
    """Estimator in an evidence, with its position and, if it is registered, its version."""

    evidence: int
    estimator: str
    position: int
    version: int | None


@dataclass(frozen=True)
class Line:
    """Resolution, efficiency and failures of an estimator in a quantity and a bin.

    `bin` counts the bins of a binning from 1; it is 0 for overall numbers, where `binning` is empty. Missing
    numbers are NaN. `tracking.statistics.resolution.Resolution` describes the other fields.
    """

    evidence: int
    estimator: str
    quantity: str
    binning: str
    bin: int
    low: float
    high: float
    n: int
    mu: float
    mu_err: float
    sigma: float
    sigma_err: float
    q68: float
    q68_err: float
    rms: float
    tail: float
    tail_err: float
    efficiency: float
    efficiency_low: float
    efficiency_high: float
    failures: float
    failures_low: float
    failures_high: float


@dataclass(frozen=True)
class Ratio:
    """Overall ratio of an evidence's subject to a reference, see
    `tracking.evidence.resolution.Comparison`.
    """

    evidence: int
    subject: str
    reference: str
    quantity: str
    statistic: str
    ratio: float
    ratio_low: float
    ratio_high: float
    level: float


@dataclass(frozen=True)
class Statistic:
    """Any other overall number of an estimator, with its error or interval; NaN where unknown.

    `estimator` is empty for a number of the whole evidence, `quantity` for a number without a quantity.
    """

    evidence: int
    estimator: str
    quantity: str
    statistic: str
    value: float
    err: float
    low: float
    high: float


@dataclass(frozen=True)
class Selection:
    """Selection of evidence; fields at their default do not restrict it.

    Parameters
    ----------
    task, sample, sample_sha256, kind, user : str
        As in `Head`.
    since, until : int
        Limits of `Head.time`, the first inclusive, the second exclusive; 0 for none.
    runs : tuple of str
        Ids of runs.
    tags : mapping of str to str
        Current tags of the run. They need the tables of mlflow in the same database.
    experiments : tuple of str or None
        Experiments that the user may read; None for all.
    """

    task: str = ""
    sample: str = ""
    sample_sha256: str = ""
    kind: str = ""
    user: str = ""
    since: int = 0
    until: int = 0
    runs: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    experiments: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Standing:
    """Place of an estimator in a leaderboard.

    Parameters
    ----------
    head : Head
        Evidence of the number.
    estimator : str
    version : int or None
        Version of a registered estimator.
    value, err, low, high : float
        Ranking number with its error and interval; NaN where unknown.
    """

    head: Head
    estimator: str
    version: int | None
    value: float = math.nan
    err: float = math.nan
    low: float = math.nan
    high: float = math.nan
