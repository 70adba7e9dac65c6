"""What the index of evidence holds: one record a row of a table, with the names of its columns."""

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

#: Name of the sample that a run itself kept for judging.
TEST = "test"


def frozen(version: int) -> str:
    """Name of a frozen sample."""
    return f"frozen {version}"


@dataclass(frozen=True)
class Origin:
    """Where evidence lies and who made it; all that the index adds to it.

    Parameters
    ----------
    run, experiment, name : str
        Ids of the run and its experiment, and the name of the run.
    sample : str
        `TEST`, or a sample named by `frozen`.
    artifact : str
        Path of the evidence below the artifacts of the run; a run has one evidence a path.
    time : int
        Milliseconds since 1970 at which the run began.
    user, commit : str
        Who ran it, and the commit of the code; empty where unknown.
    versions : mapping of str to int
        Registered versions by the name that their estimators have in the evidence.
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
    """One evidence in the index: its `Origin`, and the facts of what was judged.

    Parameters
    ----------
    id : int
        Names it in the index until it is rebuilt.
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
    """An estimator in an evidence, in the order in which it was judged; its version if it is registered."""

    evidence: int
    estimator: str
    position: int
    version: int | None


@dataclass(frozen=True)
class Line:
    """Resolution, efficiency and failures of an estimator in a quantity and a bin.

    `bin` counts the bins of a binning from 1; overall, where `binning` is empty, it is 0. Numbers that do
    not exist are NaN. See `tracking.statistics.resolution.Resolution` for the rest.
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
    """Any other overall number of an estimator, with what is known of its error; NaN for what is not.

    `estimator` is empty for a number of the evidence as a whole, `quantity` where it belongs to none.
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
    """Which evidence is asked for; what is left at its default does not restrict.

    Parameters
    ----------
    task, sample, sample_sha256, kind, user : str
        As in `Head`.
    since, until : int
        Limits of `Head.time`, the first included, the second not; 0 for none.
    runs : tuple of str
        Ids of runs.
    tags : mapping of str to str
        Tags that the run has now. Needs the tables of mlflow in the same database.
    experiments : tuple of str or None
        Experiments that whoever asks may read; None for all.
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
    """Place of one estimator in a leaderboard.

    Parameters
    ----------
    head : Head
        The evidence it is from.
    estimator : str
    version : int or None
        Its version, if it is registered.
    value, err, low, high : float
        The number it is ranked by; NaN for what is not known of it.
    """

    head: Head
    estimator: str
    version: int | None
    value: float = math.nan
    err: float = math.nan
    low: float = math.nan
    high: float = math.nan
