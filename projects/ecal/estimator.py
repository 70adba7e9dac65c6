"""The network as an estimator of photon pairs: trained in two stages around a fit, one graph afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from projects.ecal.baselines import cell_arrays, truth_array
from projects.ecal.detector import PITCH, X0, Z_TARGET
from projects.ecal.windows import windows
from projects.task import BadInput, Bench, Portable, Predictions, Sample

__all__ = ["PRESETS", "NetworkEstimator", "NetworkSettings"]

#: Simulated at a time; a few seconds of work and of progress.
_CHUNK = 20_000
#: Events of the training sample that watch over the training.
_WATCHING = 10_000
#: Fewer of them cannot teach the last layer of the correction without spoiling it.
_ADAPTABLE = 2000


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
        Passes over them, in each stage.
    batch : int
        Events in a step.
    rate : float
        Peak learning rate.
    patience : int
        Epochs without improvement after which a stage ends; 0: never.
    hypotheses : int
        Places where the fit is started.
    window : int
        Cells on a side of the window.
    placement : {"centred", "random"}
        How the window is placed in training.
    incidence : {"normal", "target"}
        How photons come.
    threshold : float
        Cells at or below this energy (GeV) are absent.
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


#: Values of `NetworkSettings` by preset. ``seed`` is the original study's training on fewer events.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "smoke": {"network_events": 20_000, "epochs": 6, "batch": 512},
    "seed": {"network": "seed", "network_events": 60_000, "epochs": 150, "batch": 64, "rate": 5e-5},
}


@dataclass(frozen=True)
class _Windowed:
    """Events as networks take them: cells (n, size, size), corner (n, 2), pair (n, 6) from the corner."""

    cells: NDArray[np.float32]
    corner: NDArray[np.float32]
    pair: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.cells)

    def cut(self, first: int, last: int) -> _Windowed:
        """Events `first` to `last`."""
        return _Windowed(self.cells[first:last], self.corner[first:last], self.pair[first:last])


@dataclass(frozen=True)
class NetworkEstimator:
    """A network that finds photon pairs; see `projects.ecal.pair_graph` for what it computes.

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
        """Train on simulated events, watched by the training sample, to which the fit's profile is tuned.

        Raises
        ------
        BadInput
            Without a simulation and with fewer than 1000 training events.
        projects.training.Diverged
            When a loss is no longer a number.
        """
        from projects.training import prepare

        prepare(bench.seed)
        own = self._windowed(train, np.random.default_rng(bench.seed))
        pool = self._pool(train, bench)
        fitted = self._fit_seed if self.settings.network == "seed" else self._fit_refined
        return replace(self, model=fitted(train, pool, own, bench))

    def predict(self, sample: Sample) -> Predictions:
        """Photons of every event, ``x1 y1 e1 x2 y2 e2``, their errors and chi2; NaN for an unusable event."""
        from projects.ecal.served_network import answers

        return answers(self.model, *cell_arrays(sample), self.settings.threshold)

    def portable(self, folder: Path) -> Portable:
        """The graph and one file that needs numpy, Keras and TensorFlow."""
        from projects import portable
        from projects.ecal import corrections, served_network
        from projects.ecal import windows as placing

        module = portable.join((placing, corrections, served_network), folder)
        network, threshold = folder / "network.keras", folder / "threshold.txt"
        self.model.save(network)
        threshold.write_text(repr(self.settings.threshold))
        requirements = tuple(f"{package}=={version(package)}" for package in ("numpy", "keras", "tensorflow"))
        files = {"network": network, "threshold": threshold}
        return Portable(module, files, requirements, ("cell_x", "cell_y", "cell_e"))

    def _windowed(self, sample: Sample, rng: np.random.Generator) -> _Windowed:
        """Usable events of a sample in their windows."""
        settings = self.settings
        placed = windows(*cell_arrays(sample), settings.window, settings.threshold, settings.placement, rng)
        corner = np.stack([placed.x0, placed.y0], axis=1)
        photons = truth_array(sample, 2)
        photons[..., :2] -= corner[:, None]
        pair = photons.reshape(-1, 6).astype(np.float32)
        kept = placed.usable
        return _Windowed(placed.energy[kept], corner[kept].astype(np.float32), pair[kept])

    def _pool(self, train: Sample, bench: Bench) -> _Windowed:
        """Training events: simulated ones, or the training sample where there is no simulation."""
        rng = np.random.default_rng((bench.seed, 1))
        if bench.simulate is None:
            if len(train) < 1000:
                raise BadInput(
                    f"{len(train)} training events and no simulation: the network needs at least 1000 events"
                )
            return self._windowed(train, rng)
        parts: list[_Windowed] = []
        with tqdm(total=self.settings.network_events, unit="event", desc="training events") as bar:
            while bar.n < bar.total:
                events = min(_CHUNK, bar.total - bar.n)
                # Far from the small seeds that people choose for samples.
                seed = int(np.random.SeedSequence((bench.seed, len(parts))).generate_state(1)[0])
                parts.append(self._windowed(bench.simulate(events, seed), rng))
                bar.update(events)
        return _Windowed(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("cells", "corner", "pair"))
        )

    def _fit_seed(self, train: Sample, pool: _Windowed, own: _Windowed, bench: Bench) -> Any:
        """The seed's network, trained as in the study."""
        from projects.ecal.networks import seed_loss, seed_network
        from projects.ecal.pair_graph import seed_graph
        from projects.training import Plan
        from projects.training import train as run

        settings = self.settings
        plan = Plan(settings.epochs, settings.batch, settings.rate, constant=True,
                    patience=settings.patience or None)  # fmt: skip
        network, watching = seed_network(settings.window), own.cut(0, _WATCHING)
        data = ((pool.cells, pool.pair), (watching.cells, watching.pair))
        run("seed", network, seed_loss, *data, plan, bench)
        return seed_graph(network)

    def _fit_refined(self, train: Sample, pool: _Windowed, own: _Windowed, bench: Bench) -> Any:
        """Starts, fit, correction, and the correction adapted to the training sample."""
        from projects.ecal import networks, pair_graph
        from projects.ecal.baselines import shipped
        from projects.ecal.refinement import Readout
        from projects.ecal.tuning import tuned_profile
        from projects.training import Plan, predict
        from projects.training import train as run

        settings, watching = self.settings, own.cut(0, _WATCHING)
        classical = shipped("coral", 2, settings.incidence)
        tuned = tuned_profile(classical, cell_arrays(train), truth_array(train, 2))
        readout = Readout(tuned.a, tuned.b, PITCH, settings.threshold, settings.window)
        plan = Plan(settings.epochs, settings.batch, settings.rate, patience=settings.patience or None)

        start = networks.start_network(settings.window, PITCH, settings.hypotheses)
        run(
            "start", start, networks.start_loss(),
            (pool.cells, self._seen(pool)), (watching.cells, self._seen(watching)),
            plan, bench, networks.mirrored(settings.window, PITCH),
        )  # fmt: skip

        fit = pair_graph.fitted_pair(start, readout)
        view = pair_graph.view_graph(readout, settings.incidence)

        def lesson(events: _Windowed) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            point, _ = predict(fit, events.cells)
            views, frame = predict(view, [events.cells, events.corner, point])
            truth = networks.logarithmic(events.pair)
            target, learnable = pair_graph.correction_targets(
                point, frame, truth, events.corner, settings.incidence
            )
            return views[learnable], target[learnable]

        lessons, watched = lesson(pool), lesson(watching)
        correction = networks.correction_network(lessons[0].shape[-1])
        run("correction", correction, networks.correction_loss, lessons, watched, plan, bench)
        if bench.measured and len(own) >= _ADAPTABLE:
            # The sample is what the tuned fits are tuned to, and small: the last layer alone is taught.
            for layer in [layer for layer in correction.layers if layer.weights][:-1]:
                layer.trainable = False
            taught = len(own) * 9 // 10
            lessons, watched = lesson(own.cut(0, taught)), lesson(own.cut(taught, len(own)))
            brief = Plan(epochs=10, batch=256, rate=1e-3)
            run("adaptation", correction, networks.correction_loss, lessons, watched, brief, bench)
        return pair_graph.assemble(start, correction, readout, settings.incidence)

    def _seen(self, events: _Windowed) -> NDArray[np.float32]:
        """Where the showers are seen, with ln E: the truth of the starts."""
        from projects.ecal.networks import logarithmic

        pair = logarithmic(events.pair)
        if self.settings.incidence == "target":
            photon = pair.reshape(-1, 2, 3)
            depth = X0 * (photon[..., 2:] - np.log(0.025) + 1.5)
            photon[..., :2] += (photon[..., :2] + events.corner[:, None]) * depth / Z_TARGET
        return pair
