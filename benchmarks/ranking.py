"""Bootstrap of the area under the curve: ours, sorted once, against a sort and a sum for every replica.

``python benchmarks/ranking.py`` prints times for one estimator on 100 000 events under 20 hypotheses, half of
them background, and the ratio. The alternatives, numpy with a sort of its own for each replica and
scikit-learn's ``roc_auc_score``, do a few replicas, from which the time of all is scaled.
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
    """Half background, asked under every hypothesis; the signal takes turns."""
    place = np.arange(events) // 2 % hypotheses
    signal = np.arange(events) % 2 == 1
    mine = (place[:, None] == np.arange(hypotheses)) & signal[:, None]
    response = rng.normal(size=mine.shape) + 1.5 * mine
    weights = rng.uniform(0.5, 1.5, events)
    names = tuple(f"m{i}" for i in range(hypotheses))
    at = np.arange(hypotheses, dtype=float)
    return Scores(response, mine | ~signal[:, None], signal, weights, weights, names, at, at < 0)


def with_numpy(scores: Scores, counts: NDArray[np.integer]) -> NDArray[np.floating]:
    """Areas of one replica, each by a sort."""
    found = []
    for place, asked in enumerate(scores.asked.T):
        x, signal = scores.response[asked, place], scores.signal[asked]
        weights = (scores.weights * counts)[asked]
        order = np.argsort(x)
        background = np.where(signal, 0.0, weights)[order]
        below = np.cumsum(background)
        ours = np.where(signal, weights, 0.0)[order]
        found.append(ours @ below / (ours.sum() * below[-1]))
    return np.array(found)


def with_sklearn(scores: Scores, counts: NDArray[np.integer]) -> NDArray[np.floating]:
    """The same by scikit-learn."""
    return np.array(
        [
            roc_auc_score(scores.signal[a], scores.response[a, i], sample_weight=(scores.weights * counts)[a])
            for i, a in enumerate(scores.asked.T)
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
    held = list(draws(options.events, options.replicas, np.random.default_rng(2)))
    print(f"{options.replicas} replicas, {options.events} events, {options.hypotheses} hypotheses, one core")
    print(f"DeLong, no replicas: {timed(lambda: auc(scores)):.2f} s")
    drawing = timed(lambda: list(draws(options.events, options.replicas, np.random.default_rng(2))))
    print(f"drawing events: {drawing:.2f} s")
    fresh = AucOf(scores)
    ours = timed(lambda: AucOf(scores)) + timed(lambda: [fresh(counts) for counts in held])
    print(f"sorted once: {ours:.2f} s")
    few = held[0][: options.few]
    for name, other in (("numpy", with_numpy), ("scikit-learn", with_sklearn)):
        scaled = timed(lambda other=other: [other(scores, one) for one in few]) * options.replicas / len(few)
        print(f"{name}, scaled from {len(few)}: {scaled:.0f} s, {scaled / ours:.0f} times ours")


if __name__ == "__main__":
    main()
