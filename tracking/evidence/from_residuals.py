"""Construction of `Evidence` from residuals of every estimator on identical events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tracking.evidence.resolution import Comparison, Count, Evidence, Facts, Row
from tracking.statistics.bootstrap import FractionOf, Statistic, WidthOf, interval, replicate
from tracking.statistics.counting import fraction, ratio_interval
from tracking.statistics.residuals import Binning, Quantity, Residuals
from tracking.statistics.resolution import resolution

__all__ = ["build"]

LEVEL = 0.95
#: Failures of fewer events are compared by an exact interval: they are too few to resample.
FEW = 10

#: Bin: name of the binning, edges, and mask of its objects; the whole sample has an empty name.
Region = tuple[str, float, float, NDArray[np.bool_]]


def build(
    residuals: Mapping[str, Residuals],
    quantities: Sequence[Quantity],
    binnings: Sequence[Binning],
    *,
    facts: Facts,
    seed: int,
    subject: str = "network",
    ns_per_event: Mapping[str, float] | None = None,
    extra: Mapping[str, float] | None = None,
    replicas: int = 1000,
    bin_replicas: int = 200,
) -> Evidence:
    """Evaluate estimators on identical events.

    Parameters
    ----------
    residuals : mapping of str to Residuals
        Residuals by estimator, all of one shape (events, objects) and of the same events.
    quantities, binnings : sequence
        Evaluated quantities and their bins.
    facts : Facts
        Facts of the sample.
    seed : int
        Random seed of the bootstrap.
    subject : str
        Estimator that is compared with every other.
    ns_per_event, extra : mapping of str to float, optional
        See `Evidence`.
    replicas, bin_replicas : int
        Bootstrap replicas for the overall ratios and for those bin by bin.

    Raises
    ------
    ValueError
        If the subject is missing, the shapes differ or a quantity or a variable of a binning is missing.
    """
    _check(residuals, quantities, binnings, subject)
    first = next(iter(residuals.values()))
    overall: list[Region] = [("", -np.inf, np.inf, first.present)]
    bins = list(_bins(first, binnings))
    rng = np.random.default_rng(seed)
    comparisons = [
        *_compare(residuals, quantities, overall, subject, replicas, rng),
        *_compare(residuals, quantities, bins, subject, bin_replicas, rng),
    ]
    rows, counts = [], []
    for binning, low, high, inside in overall + bins:
        for name, sample_residuals in residuals.items():
            rows += [
                Row(
                    name,
                    quantity.name,
                    binning,
                    low,
                    high,
                    resolution(sample_residuals.values[quantity.name][inside]),
                )
                for quantity in quantities
            ]
            answered, failed = sample_residuals.answered, _failed(sample_residuals)
            counts.append(
                Count(
                    name, binning, low, high, fraction(answered, inside), fraction(failed & answered, inside)
                )
            )
    return Evidence(
        facts=facts,
        subject=subject,
        quantities=tuple(quantities),
        binnings=tuple(binnings),
        rows=tuple(rows),
        counts=tuple(counts),
        comparisons=tuple(comparisons),
        ns_per_event=dict(ns_per_event or {}),
        extra=dict(extra or {}),
    )


def _check(
    residuals: Mapping[str, Residuals],
    quantities: Sequence[Quantity],
    binnings: Sequence[Binning],
    subject: str,
) -> None:
    if subject not in residuals:
        raise ValueError(
            f"no residuals of the subject {subject!r}; there are: {', '.join(residuals) or 'none'}"
        )
    shapes = {name: entries.shape for name, entries in residuals.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(
            f"estimators must be judged on the same events; shapes (events, objects) are {shapes}"
        )
    for name, entries in residuals.items():
        for label, required, available in (
            ("quantity", [q.name for q in quantities], entries.values),
            ("variable", [b.name for b in binnings], entries.variables),
        ):
            for missing in (key for key in required if key not in available):
                raise ValueError(
                    f"residuals of {name} have no {label} {missing!r}; there are: {', '.join(available)}"
                )


def _bins(residuals: Residuals, binnings: Sequence[Binning]) -> Iterator[Region]:
    for binning in binnings:
        variable = residuals.variables[binning.name]
        for low, high in zip(binning.edges[:-1], binning.edges[1:], strict=True):
            yield binning.name, low, high, (variable >= low) & (variable < high) & residuals.present


def _failed(residuals: Residuals) -> NDArray[np.bool_]:
    return np.zeros(residuals.shape, dtype=bool) if residuals.failed is None else residuals.failed


def _compare(
    residuals: Mapping[str, Residuals],
    quantities: Sequence[Quantity],
    regions: Sequence[Region],
    subject: str,
    replicas: int,
    rng: np.random.Generator,
) -> Iterator[Comparison]:
    """Compare the subject with every other estimator in every region, with one set of replicas."""
    answered = {name: entries.answered for name, entries in residuals.items()}
    failed = {name: _failed(entries) & answered[name] for name, entries in residuals.items()}
    references = [name for name in residuals if name != subject]
    # Estimators with predictions for the same objects share their statistics between pairs.
    masks: dict[bytes, NDArray[np.bool_]] = {}
    pair: dict[str, bytes] = {}
    for name in references:
        both = answered[subject] & answered[name]
        pair[name] = both.tobytes()
        masks[pair[name]] = both

    statistics: dict[tuple, Statistic] = {}
    for index, (*_, inside) in enumerate(regions):
        for name in residuals:
            statistics[index, name, "efficiency"] = FractionOf(answered[name], inside)
            statistics[index, name, "failures"] = FractionOf(failed[name], inside)
        for reference in references:
            selected = inside & masks[pair[reference]]
            for name in (subject, reference):
                for quantity in quantities:
                    key = (index, name, quantity.name, pair[reference])
                    if key not in statistics:
                        values = np.where(selected, residuals[name].values[quantity.name], np.nan)
                        statistics[key] = WidthOf(values)
    events = next(iter(residuals.values())).shape[0]
    replicated = replicate(statistics, events, replicas, rng)
    once = np.ones((1, events), dtype=np.uint8)
    whole = {key: statistic(once)[..., 0] for key, statistic in statistics.items()}

    for index, (binning, low, high, inside) in enumerate(regions):
        region = (binning, float(low), float(high))
        for reference in references:
            for quantity in quantities:
                keys = [(index, name, quantity.name, pair[reference]) for name in (subject, reference)]
                for statistic, position in (("sigma", 1), ("q68", 2)):
                    ratio = interval(
                        float(_ratio(*(whole[key][position] for key in keys))),
                        _ratio(*(replicated[key][position] for key in keys)),
                        LEVEL,
                    )
                    limits = (ratio.value, ratio.low, ratio.high, LEVEL)
                    yield Comparison(subject, reference, quantity.name, statistic, *region, *limits)
            for statistic in ("failures", "efficiency"):
                shares = [(index, name, statistic) for name in (subject, reference)]
                value = float(_ratio(*(whole[key] for key in shares)))
                ratio = interval(value, _ratio(*(replicated[key] for key in shares)), LEVEL)
                limits = (ratio.value, ratio.low, ratio.high, LEVEL)
                if statistic == "failures":
                    ours, theirs = (
                        int((failed[name] & inside).any(axis=1).sum()) for name in (subject, reference)
                    )
                    if min(ours, theirs) < FEW:
                        limits = (value, *ratio_interval(ours, theirs, LEVEL), LEVEL)
                yield Comparison(subject, reference, "", statistic, *region, *limits)


def _ratio(above: NDArray[np.floating], below: NDArray[np.floating]) -> NDArray[np.floating]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(above, below)
