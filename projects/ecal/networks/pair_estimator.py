"""Estimator of one or two photons by a network that is trained around a fit and exported as one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from projects.ecal.fits.baselines import ProfileFit, cell_arrays, shipped, truth_array
from projects.ecal.stages.switches import Switches
from projects.ecal.windows.training_events import Windowed, simulated, windowed
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["PRESETS", "NetworkEstimator", "NetworkSettings"]

#: Fewest training events for a network without a simulation.
_FEWEST = 1000
#: Events of the training sample used for validation during training.
_WATCHING = 10_000


@dataclass(frozen=True)
class NetworkSettings:
    """Parameters of the network.

    Parameters
    ----------
    network : {"default", "seed"}
        The refined network, or the one of the original study.
    network_events : int
        Events simulated for the training.
    epochs : int
        Epochs of each stage of the training.
    batch : int
        Batch size.
    rate : float
        Peak learning rate.
    patience : int
        Epochs without improvement after which a stage ends; 0: never.
    hypotheses : int
        Number of starting points of the fit.
    window : int
        Cells on a side of the window.
    placement : {"centred", "random"}
        Position of the window in training.
    incidence : {"normal", "target"}
        Direction of the photons.
    threshold : float
        Cells at or below this energy (GeV) are absent.
    photons : {1, 2}
        Photons of an event.
    cluster : {"all", "sides", "corners"}
        Cells that belong to an event, see `projects.ecal.windows.placement.windows`.
    larger : {"cut", "drop"}
        Treatment of clusters that are larger than the window.
    position : bool
        Whether the network knows the position of the window in the calorimeter, and thus the angle of a
        photon from the target.
    scaling : {"event", "sample", "fixed"}
        Scaling of the cells in the study's network, see
        `projects.ecal.networks.original_networks.network`.
    width, depth : int
        Units of a hidden layer of the correction, and number of hidden layers.
    activation : str
        Activation of the hidden layers.
    dropout : float
        Dropout rate of the hidden layers.
    switches : Switches
        Variants of the study's network.
    """

    network: str = "default"
    network_events: int = 600_000
    epochs: int = 14
    batch: int = 2048
    rate: float = 2e-3
    patience: int = 0
    hypotheses: int = 3
    window: int = 9
    placement: str = "centred"
    incidence: str = "normal"
    threshold: float = 0.1
    photons: int = 2
    cluster: str = "all"
    larger: str = "cut"
    position: bool = True
    scaling: str = "fixed"
    width: int = 128
    depth: int = 3
    activation: str = "relu"
    dropout: float = 0.0
    switches: Switches = field(default_factory=Switches)

    def placing(self, sample: Sample, rng: np.random.Generator) -> Windowed:
        """Place the usable events of a sample in windows, for the training."""
        if self.switches.events == "lednev":
            lednev = ProfileFit("lednev", shipped("lednev", self.photons, self.incidence), self.photons)
            split = lednev.predict(sample)["photons"] == self.photons
            if not split.any():
                raise BadInput(f"the Lednev fit splits none of {len(sample)} events: leave events: out")
            sample = sample.select(split)
        truth = truth_array(sample, self.photons)
        return windowed(
            cell_arrays(sample),
            truth,
            self.window,
            self.threshold,
            self.placement,
            rng,
            self.cluster,
            self.larger,
        )


#: Values of `NetworkSettings` by preset. ``seed`` is the original study's training on fewer events.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "smoke": {"network_events": 20_000, "epochs": 6, "batch": 512},
    "seed": {"network": "seed", "network_events": 60_000, "epochs": 150, "batch": 64, "rate": 5e-5},
}


@dataclass(frozen=True)
class NetworkEstimator:
    """A network that reconstructs photons; see `projects.ecal.networks.pair_graph` for its computation.

    Parameters
    ----------
    settings : NetworkSettings
    model : keras.Model or None
        The graph, once fitted.
    """

    settings: NetworkSettings = field(default_factory=NetworkSettings)
    model: Any = None
    name: str = "network"

    def fit(self, train: Sample, bench: Bench) -> NetworkEstimator:
        """Train on simulated events; the training sample tunes the fit's profile and validates the training.

        Raises
        ------
        BadInput
            Without a simulation and with fewer than 1000 training events.
        shashlik.estimators.training.Diverged
            If a loss is not finite.
        """
        from shashlik.estimators.training import prepare

        prepare(bench.seed)
        placing = self.settings.placing
        training = placing(train, np.random.default_rng(bench.seed))
        if bench.simulate is not None:
            pool = simulated(bench.simulate, placing, self.settings.network_events, bench.seed)
        elif len(train) >= _FEWEST:
            pool = placing(train, np.random.default_rng((bench.seed, 1)))
        else:
            raise BadInput(
                f"{len(train)} training events and no simulation: the network needs at least {_FEWEST} events"
            )
        fitted = self._fit_seed if self.settings.network == "seed" else self._fit_refined
        return replace(self, model=fitted(train, pool, training, bench))

    def predict(self, sample: Sample) -> Predictions:
        """Predict the photons, ``x1 y1 e1 ...``, their errors and chi2; NaN for an unusable event."""
        from projects.ecal.networks.served_network import answers

        settings = self.settings
        return answers(
            self.model, *cell_arrays(sample), settings.threshold, settings.cluster, settings.larger
        )

    def portable(self, folder: Path) -> Portable:
        """Write the graph and one module that needs numpy, Keras and TensorFlow."""
        from projects.ecal.networks.packing import packed

        settings = self.settings
        return packed(self.model, folder, settings.threshold, settings.cluster, settings.larger)

    def _fit_seed(self, train: Sample, pool: Windowed, training: Windowed, bench: Bench) -> Any:
        """Train a network of the study with the study's settings."""
        from projects.ecal.networks import original_networks
        from projects.ecal.networks.pair_graph import seed_graph
        from shashlik.estimators.training import Plan
        from shashlik.estimators.training import train as run

        settings, switches = self.settings, self.settings.switches
        plan = Plan(
            settings.epochs,
            settings.batch,
            settings.rate,
            constant=switches.schedule == "constant",
            patience=settings.patience or None,
        )
        scaling = settings.scaling if switches.scaling == "stage" else switches.scaling
        # For parallel photons the position carries no information.
        position = settings.position and settings.incidence == "target"
        if settings.photons == 2:
            position = switches.position
        network = trained = original_networks.network(
            settings.photons, settings.window, scaling, pool.cells, position, switches
        )
        remember = None
        if switches.order == "epoch":
            trained, remember = original_networks.remembering(network)
        taught, watched = (
            (part.inputs(network), original_networks.ordered(part.truth, switches.order))
            for part in (pool, training.cut(0, _WATCHING))
        )
        loss = original_networks.loss(settings.photons, switches)
        run("seed", trained, loss, taught, watched, plan, bench, after=remember)
        return seed_graph(network)

    def _fit_refined(self, train: Sample, pool: Windowed, training: Windowed, bench: Bench) -> Any:
        """Train start and correction around the fit, and adapt the correction to the training sample."""
        from projects.ecal.fits.baselines import shipped
        from projects.ecal.fits.tuning import tuned_profile
        from projects.ecal.networks import pair_graph, pair_networks
        from projects.ecal.networks.correction_training import taught
        from projects.ecal.networks.refinement import Readout
        from shashlik.estimators.training import Plan, predict
        from shashlik.estimators.training import train as run

        settings, watching = self.settings, training.cut(0, _WATCHING)
        incidence = settings.incidence if settings.position else "normal"
        classical = shipped("coral", settings.photons, settings.incidence)
        tuned = tuned_profile(classical, cell_arrays(train), truth_array(train, settings.photons))
        readout = Readout(tuned.a, tuned.b, PITCH, settings.threshold, settings.window)
        plan = Plan(settings.epochs, settings.batch, settings.rate, patience=settings.patience or None)

        if settings.photons == 2:
            start = pair_networks.start_network(settings.window, PITCH, settings.hypotheses)
            run(
                "start",
                start,
                pair_networks.start_loss(),
                (pool.cells, pool.seen(incidence)),
                (watching.cells, watching.seen(incidence)),
                plan,
                bench,
                pair_networks.mirrored(settings.window, PITCH),
            )
        else:
            start = pair_graph.gravity_start(readout)

        fit = pair_graph.fitted_photons(start, readout)
        view = pair_graph.view_graph(readout, incidence, settings.photons)

        def lesson(events: Windowed) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            point, _ = predict(fit, events.cells)
            views, frame = predict(view, [events.cells, events.corner, point])
            target, learnable = pair_graph.correction_targets(
                point, frame, events.logarithmic(), events.corner, incidence
            )
            return views[learnable], target[learnable]

        correction = taught(
            lesson,
            pool,
            training,
            watching,
            plan,
            bench,
            width=settings.width,
            depth=settings.depth,
            activation=settings.activation,
            dropout=settings.dropout,
        )
        return pair_graph.assemble(start, correction, readout, incidence)
