"""Training of the network that corrects fitted photons, and its adaptation to measured photons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from projects.ecal.networks.pair_networks import correction_loss, correction_network
from projects.ecal.windows.training_events import Windowed
from shashlik.estimators.training import Plan, train
from shashlik.task.estimator import Bench

__all__ = ["taught"]

#: With fewer events, retraining the last layer would degrade it.
_ADAPTABLE = 2000

#: Maps events to views of photons and correction targets.
Lesson = Callable[[Windowed], tuple[NDArray[np.float32], NDArray[np.float32]]]


def taught(
    lesson: Lesson,
    pool: Windowed,
    own: Windowed,
    watching: Windowed,
    plan: Plan,
    bench: Bench,
    **network: Any,
) -> keras.Model:
    """Train a correction network.

    Parameters
    ----------
    lesson : callable
        Returns views (photons, features) and targets (photons, 3) of all photons that are usable for
        training.
    pool : Windowed
        Simulated events.
    own, watching : Windowed
        The training sample, and its part used for validation during training. Measured events (see
        `shashlik.task.estimator.Bench`) adapt the network afterwards.
    plan : Plan
    bench : Bench
    **network
        Arguments of `projects.ecal.networks.pair_networks.correction_network`.
    """
    lessons, watched = lesson(pool), lesson(watching)
    correction = correction_network(lessons[0].shape[-1], **network)
    train("correction", correction, correction_loss, lessons, watched, plan, bench)
    if bench.measured and len(own) >= _ADAPTABLE:
        # The sample also tunes the fits and is small, so only the last layer is retrained.
        for layer in [layer for layer in correction.layers if layer.weights][:-1]:
            layer.trainable = False
        cut = len(own) * 9 // 10
        lessons, watched = lesson(own.cut(0, cut)), lesson(own.cut(cut, len(own)))
        brief = Plan(epochs=10, batch=256, rate=1e-3)
        train("adaptation", correction, correction_loss, lessons, watched, brief, bench)
    return correction
