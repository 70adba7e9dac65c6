"""Events of the search from Pythia 8 with jets of fastjet: an optional engine, slower and more realistic.

Needs the packages of the extra ``pythia``. Hard processes are Pythia's own: a narrow scalar H2 from gluons
for X, and the Z with no or one hard parton, whose further jets come from the shower. The detector response to
jets and leptons is that of the fast simulation, so the files have the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from projects.pnn.schema import SIGNAL
from projects.pnn.simulation.background import PROCESSES, Process
from projects.pnn.simulation.detector import BOTTOM, CHARM, LIGHT, RADIUS
from projects.pnn.simulation.events import assembled, measured
from projects.pnn.simulation.signal import HIGGS_MASS
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["simulate"]

#: Largest number of jets of an event, smallest transverse momentum (GeV), and events measured together.
MOST_JETS, SOFTEST, CHUNK = 10, 12.0, 200
_COMMON = ("Beams:eCM = 13000", "Print:quiet = on", "Random:setSeed = on", "111:mayDecay = off")
#: Both Higgs bosons decay to bb or ZZ, the Z to leptons or quarks, equally often: half of half are signal.
_SIGNAL = (
    "Higgs:useBSM = on",
    "HiggsBSM:gg2H2 = on",
    "HiggsH2:coup2H1H1 = 1.0",
    "35:mWidth = 0.01",
    "35:doForceWidth = on",
    "35:onMode = off",
    "35:onIfMatch = 25 25",
    "25:oneChannel = 1 0.5 100 5 -5",
    "25:addChannel = 1 0.5 100 23 23",
    "23:oneChannel = 1 0.25 0 11 -11",
    "23:addChannel = 1 0.25 0 13 -13",
    "23:addChannel = 1 0.111 0 1 -1",
    "23:addChannel = 1 0.084 0 2 -2",
    "23:addChannel = 1 0.111 0 3 -3",
    "23:addChannel = 1 0.086 0 4 -4",
    "23:addChannel = 1 0.108 0 5 -5",
)


def simulate(events: int, seed: int, selected: bool) -> Sample:
    """Simulate as `projects.pnn.simulation.events.simulate`; a few signal events a second, less background.

    Raises
    ------
    BadInput
        If the packages are missing.
    """
    try:
        import fastjet
        import pythia8mc as pythia8
    except ImportError as error:
        raise BadInput(
            f"engine='pythia' needs the package {error.name}: install it by pip install -e '.[pythia]', or "
            "take engine=fast"
        ) from error

    def generate(process: int, mass: int, number: int, rng: np.random.Generator) -> Iterator[Any]:
        machine = pythia8.Pythia("", False)
        for line in _settings(process, mass, int(rng.integers(1, 900_000_000))):
            if not machine.readString(line):
                raise BadInput(
                    f"this Pythia does not know the setting {line!r}; install the version of the extra"
                )
        if not machine.init():
            raise BadInput(f"Pythia could not start for process {process}, mass {mass}: its messages say why")
        name = f"X of {mass} GeV" if process == SIGNAL else PROCESSES[process].name
        with tqdm(total=number, desc=name, unit="event") as bar:
            while bar.n < number:
                columns, generated = _chunk(machine, fastjet, process, rng)
                accepted = len(columns["ngood_bjets"])
                bar.update(min(accepted, number - bar.n))
                yield columns, generated

    return assembled(events, seed, selected, generate, "Pythia")


def _settings(process: int, mass: int, seed: int) -> list[str]:
    lines = [*_COMMON, f"Random:seed = {seed}"]
    if process == SIGNAL:
        return [*lines, *_SIGNAL, f"35:m0 = {mass}", f"25:m0 = {HIGGS_MASS}"]
    return [*lines, *_background(PROCESSES[process])]


def _background(process: Process) -> list[str]:
    limits = (10.0, 50.0) if process.low_mass else (50.0, -1.0)
    lines = ["23:onMode = off", "23:onIfAny = 11 13", f"23:mMin = {limits[0]}", f"23:mMax = {limits[1]}"]
    lines += [f"PhaseSpace:mHatMin = {limits[0]}"]
    if process.hard == 0:
        return [*lines, "WeakSingleBoson:ffbar2gmZ = on"]
    # The shower produces the second hard parton after a harder first one.
    return [
        *lines,
        "WeakBosonAndParton:qqbar2gmZg = on",
        "WeakBosonAndParton:qg2gmZq = on",
        f"PhaseSpace:pTHatMin = {20 * process.hard}",
    ]


def _chunk(machine: Any, fastjet: Any, process: int, rng: np.random.Generator) -> tuple[dict[str, Any], int]:
    """Simulate a chunk; return columns of the events that a file contains, and the number generated."""
    lepton_vectors, jet_vectors, flavours, electrons = [], [], [], []
    generated = 0
    while generated < CHUNK:
        if not machine.next():
            continue
        if process == SIGNAL and not _has_signal_decays(machine.process):
            continue
        generated += 1
        pair = _leptons(machine.event)
        if pair is None:
            continue
        jets, flavour = _jets(machine.event, fastjet, pair)
        lepton_vectors.append([_four(machine.event[index]) for index in pair])
        electrons.append(abs(machine.event[pair[0]].id()) == 11)
        jet_vectors.append(jets)
        flavours.append(flavour)
    leptons = np.array(lepton_vectors).reshape(-1, 2, 4).transpose(2, 0, 1)
    jets = np.array(jet_vectors).reshape(-1, MOST_JETS, 4).transpose(2, 0, 1)
    numbers = np.array(flavours, dtype=int).reshape(-1, MOST_JETS)
    return measured(leptons, jets, numbers, rng, np.array(electrons, dtype=bool), massive=True), generated


def _has_signal_decays(process: Any) -> bool:
    """Return whether the decays are bb and ZZ -> ll qq."""
    ids = [abs(process[index].id()) for index in range(process.size())]
    mothers = [abs(process[process[index].mother1()].id()) for index in range(process.size())]
    of_z = [particle_id for particle_id, mother in zip(ids, mothers, strict=True) if mother == 23]
    of_higgs = [particle_id for particle_id, mother in zip(ids, mothers, strict=True) if mother == 25]
    return (
        of_higgs.count(5) == 2
        and of_higgs.count(23) == 2
        and sum(particle_id in (11, 13) for particle_id in of_z) == 2
    )


def _four(particle: Any) -> list[float]:
    return [particle.e(), particle.px(), particle.py(), particle.pz()]


def _leptons(event: Any) -> list[int] | None:
    """Find the final leptons of the hard Z; None if they are not a pair."""
    indices = []
    for index in range(event.size()):
        particle = event[index]
        if particle.isFinal() and abs(particle.id()) in (11, 13):
            mother = particle
            while abs(event[mother.mother1()].id()) == abs(particle.id()):
                mother = event[mother.mother1()]
            if abs(event[mother.mother1()].id()) == 23:
                indices.append(index)
    pair = len(indices) == 2 and event[indices[0]].id() == -event[indices[1]].id()
    return indices if pair else None


def _jets(event: Any, fastjet: Any, leptons: list[int]) -> tuple[NDArray[np.float64], list[int]]:
    """Cluster all visible but the leptons; return jets (MOST_JETS, 4) and the heaviest quark near each."""
    visible, quarks = [], []
    for index in range(event.size()):
        particle = event[index]
        kind = abs(particle.id())
        if particle.isFinal() and particle.isVisible() and index not in leptons and abs(particle.eta()) < 5:
            e, px, py, pz = _four(particle)
            visible.append(fastjet.PseudoJet(px, py, pz, e))
        elif kind in (4, 5) and particle.pT() > 5:
            quarks.append((BOTTOM if kind == 5 else CHARM, particle.eta(), particle.phi()))
    sequence = fastjet.ClusterSequence(visible, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
    vectors, flavour = np.zeros((MOST_JETS, 4)), [LIGHT] * MOST_JETS
    for jet_index, jet in enumerate(fastjet.sorted_by_pt(sequence.inclusive_jets(SOFTEST))[:MOST_JETS]):
        vectors[jet_index] = jet.e(), jet.px(), jet.py(), jet.pz()
        for kind, eta, phi in quarks:
            if np.hypot(jet.eta() - eta, (jet.phi() - phi + np.pi) % (2 * np.pi) - np.pi) < RADIUS:
                flavour[jet_index] = max(flavour[jet_index], kind)
    return vectors, flavour
