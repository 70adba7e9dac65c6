"""Benchmark the bootstrap of the area under the curve: one sort for all, against one sort per replica.

``python benchmarks/ranking.py`` prints times and their ratio for one estimator on 100 000 events under 20
hypotheses, half of them background. The alternatives, numpy with a sort for each replica and scikit-learn's
``roc_auc_score``, run a few replicas, from which the total time is scaled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from tracking.statistics.bootstrap import draws
from tracking.statistics.roc import AucOf, auc
from tracking.statistics.scores import Scores


def sample(events: int, hypotheses: int, rng: np.random.Generator) -> Scores:
    """Draw half background, evaluated under every hypothesis, and signal of each hypothesis in turn."""
    place = np.arange(events) // 2 % hypotheses
    signal = np.arange(events) % 2 == 1
    own = (place[:, None] == np.arange(hypotheses)) & signal[:, None]
    response = rng.normal(size=own.shape) + 1.5 * own
    weights = rng.uniform(0.5, 1.5, events)
    names = tuple(f"m{i}" for i in range(hypotheses))
    at = np.arange(hypotheses, dtype=float)
    return Scores(response, own | ~signal[:, None], signal, weights, weights, names, at, at < 0)


def with_numpy(scores: Scores, counts: NDArray[np.integer]) -> NDArray[np.floating]:
    """Compute the areas of one replica, each with its own sort."""
    areas = []
    for index, mask in enumerate(scores.asked.T):
        x, signal = scores.response[mask, index], scores.signal[mask]
        weights = (scores.weights * counts)[mask]
        order = np.argsort(x)
        background = np.where(signal, 0.0, weights)[order]
        below = np.cumsum(background)
        ours = np.where(signal, weights, 0.0)[order]
        areas.append(ours @ below / (ours.sum() * below[-1]))
    return np.array(areas)


def with_sklearn(scores: Scores, counts: NDArray[np.integer]) -> NDArray[np.floating]:
    """Compute the areas of one replica by scikit-learn."""
    return np.array(
        [
            roc_auc_score(
                scores.signal[mask], scores.response[mask, i], sample_weight=(scores.weights * counts)[mask]
            )
            for i, mask in enumerate(scores.asked.T)
        ]
    )


def timed(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--hypotheses", type=int, default=20)
    parser.add_argument("--replicas", type=int, default=1000)
    parser.add_argument("--few", type=int, default=5, help="replicas of the alternatives")
    options = parser.parse_args()
    scores = sample(options.events, options.hypotheses, np.random.default_rng(1))
    first = next(draws(options.events, 1, np.random.default_rng(3)))
    statistic = AucOf(scores)
    statistic(first)  # compiled before it is timed
    for other in (with_numpy, with_sklearn):
        assert np.allclose(other(scores, first[0]), statistic(first)[:, 0], atol=1e-9)
    counts_of_replicas = list(draws(options.events, options.replicas, np.random.default_rng(2)))
    print(f"{options.replicas} replicas, {options.events} events, {options.hypotheses} hypotheses, one core")
    print(f"DeLong, no replicas: {timed(lambda: auc(scores)):.2f} s")
    drawing = timed(lambda: list(draws(options.events, options.replicas, np.random.default_rng(2))))
    print(f"drawing events: {drawing:.2f} s")
    fresh = AucOf(scores)
    ours = timed(lambda: AucOf(scores)) + timed(lambda: [fresh(counts) for counts in counts_of_replicas])
    print(f"sorted once: {ours:.2f} s")
    few = counts_of_replicas[0][: options.few]
    for name, other in (("numpy", with_numpy), ("scikit-learn", with_sklearn)):
        scaled = (
            timed(lambda other=other: [other(scores, counts) for counts in few]) * options.replicas / len(few)
        )
        print(f"{name}, scaled from {len(few)}: {scaled:.0f} s, {scaled / ours:.0f} times ours")


if __name__ == "__main__":
    main()
