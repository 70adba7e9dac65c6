"""Network that finds and measures any number of photons in the whole shashlik part, as an estimator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from projects.ecal.evaluation.photons import of_number
from projects.ecal.fits.baselines import cell_arrays, shipped, truth_array
from projects.ecal.windows.training_events import Windowed, simulated, windowed
from projects.ecal.windows.whole_image import IMAGE_SHAPE
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["WholeEstimator", "WholeSettings"]

#: Cells on a side of the finder's training images, and of the windows of the fit.
_LESSON, _WINDOW = 13, 9
#: Events of the training sample used for validation during training.
_WATCHING = 10_000


@dataclass(frozen=True)
class WholeSettings:
    """Parameters of the network.

    Parameters
    ----------
    fewest_photons, most_photons : int
        Photons of an event; the network reports up to `most_photons`, which is 2 or more.
    network_events : int
        Events simulated for the training.
    finder_epochs, finder_batch, finder_rate : int, int, float
        Epochs, batch size and peak learning rate of the finder.
    filters : int
        Filters per layer of the finder.
    epochs, batch, rate : int, int, float
        Epochs, batch size (photons) and peak learning rate of the correction.
    incidence : {"normal", "target"}
        Direction of the photons.
    threshold : float
        Cells at or below this energy (GeV) are absent.
    """

    fewest_photons: int = 1
    most_photons: int = 2
    network_events: int = 60_000
    finder_epochs: int = 3
    finder_batch: int = 64
    finder_rate: float = 4e-3
    filters: int = 32
    epochs: int = 14
    batch: int = 2048
    rate: float = 2e-3
    incidence: str = "target"
    threshold: float = 0.1

    def placing(self, sample: Sample, rng: np.random.Generator) -> Windowed:
        """Place the usable events in small images around their photons, for the training."""
        truth = truth_array(sample, self.most_photons, self.fewest_photons)
        return windowed(cell_arrays(sample), truth, _LESSON, self.threshold, "centred", rng)


@dataclass(frozen=True)
class WholeEstimator:
    """A network that finds photons anywhere; see `projects.ecal.networks.whole_graph` for its computation.

    Parameters
    ----------
    settings : WholeSettings
    model : keras.Model or None
        The graph, once fitted.
    """

    settings: WholeSettings = field(default_factory=WholeSettings)
    model: Any = None
    name: str = "network"

    def fit(self, train: Sample, bench: Bench) -> WholeEstimator:
        """Train on simulated events; the training sample tunes the fit's profile and validates the training.

        Raises
        ------
        BadInput
            Without a simulation.
        shashlik.estimators.training.Diverged
            If a loss is not finite.
        """
        from projects.ecal.fits.tuning import tuned_profile
        from projects.ecal.networks import finder, whole_graph
        from projects.ecal.networks.correction_training import taught
        from projects.ecal.networks.refinement import Readout
        from shashlik.estimators.training import Plan, prepare
        from shashlik.estimators.training import train as run

        if bench.simulate is None:
            raise BadInput(
                f"{len(train)} training events and no simulation: the network that finds photons in the "
                "whole calorimeter needs one"
            )
        prepare(bench.seed)
        settings = self.settings
        training = settings.placing(train, np.random.default_rng(bench.seed))
        watching = training.cut(0, _WATCHING)
        pool = simulated(bench.simulate, settings.placing, settings.network_events, bench.seed)
        photons, incidence = settings.most_photons, settings.incidence
        most = of_number(train, photons)
        tuned = tuned_profile(
            shipped("coral", photons, incidence), cell_arrays(most), truth_array(most, photons)
        )
        readout = Readout(tuned.a, tuned.b, PITCH, settings.threshold, _WINDOW)

        finder_model = finder.finder_network(PITCH, settings.filters)
        run(
            "finder",
            finder_model,
            finder.finder_loss(PITCH),
            (pool.cells, pool.seen(incidence)),
            (watching.cells, np.asarray(finder.lesson(watching.cells, watching.seen(incidence)))),
            Plan(settings.finder_epochs, settings.finder_batch, settings.finder_rate),
            bench,
            finder.turned(PITCH),
        )
        locator = whole_graph.located(finder_model, readout, (_LESSON, _LESSON), photons)

        def lesson(events: Windowed) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            return whole_graph.lessons(locator, readout, events, incidence)

        plan = Plan(settings.epochs, settings.batch, settings.rate)
        correction = taught(lesson, pool, training, watching, plan, bench)
        return replace(
            self,
            model=whole_graph.assemble_whole(
                finder_model, correction, readout, IMAGE_SHAPE, photons, incidence
            ),
        )

    def predict(self, sample: Sample) -> Predictions:
        """Predict the photons, ``x1 y1 e1 ...``, their errors and number; NaN for photons not found."""
        from projects.ecal.networks.served_network import answers

        return answers(self.model, *cell_arrays(sample), self.settings.threshold)

    def portable(self, folder: Path) -> Portable:
        """Write the graph and one module that needs numpy, Keras and TensorFlow."""
        from projects.ecal.networks.packing import packed

        return packed(self.model, folder, self.settings.threshold)
