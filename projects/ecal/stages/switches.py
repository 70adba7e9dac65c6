"""Variants of the original study's networks, each as one switch, shared by all stages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from shashlik.exceptions import BadInput
from shashlik.task.settings import resolve, setting

__all__ = ["HELP", "Switches", "switched"]


@dataclass(frozen=True)
class Switches:
    """Settings of the study's network only; the defaults are its final choice."""

    scaling: str = setting(
        "stage",
        "standardisation of the cells: as the stage has it, none, every event by itself, by mean and "
        "variance of the training sample, or by fixed ones",
        allowed=("stage", "none", "event", "sample", "fixed"),
    )
    dropout: float = setting(0.0, "share of the units of each hidden layer left out", least=0, most=0.9)
    total: bool = setting(False, "the sum of the cells as one more input", allowed=(True, False))
    position: bool = setting(
        False, "x and y of the window's corner as two more inputs (pairs)", allowed=(True, False)
    )
    convolution: int = setting(
        0, "filters of a 3 x 3 convolution before the dense layers; 0: none", least=0, most=256
    )
    loss: str = setting(
        "squares",
        "squared errors, or absolute ones in per cent of the truth",
        allowed=("squares", "percentage"),
    )
    units: str = setting(
        "stage",
        "in which errors enter the squares: as the stage has it, 1 cm and 1 GeV, or the resolution wished "
        "for, 0.5 cm and 2.5 GeV",
        allowed=("stage", "none", "resolution"),
    )
    order: str = setting(
        "better",
        "which of two photons is the first: the order with the smaller loss, the one with more energy, "
        "larger x or larger y, or the order that the network of the epoch before made of it",
        allowed=("better", "energy", "x", "y", "epoch"),
    )
    schedule: str = setting(
        "constant",
        "of the learning rate: constant, or one cycle up to it and down",
        allowed=("constant", "cycle"),
    )
    events: str = setting(
        "all",
        "training events: all, or those in which the Lednev fit finds two photons",
        allowed=("all", "lednev"),
    )


#: Meaning of the setting ``switches`` of a task.
HELP = (
    "what to try on the study's network, as name:value,name:value of "
    f"{', '.join(item.name for item in dataclasses.fields(Switches))}"
)
#: Switches that only apply to pairs of photons, and the reason.
_PAIRS = {
    "position": "one photon has the setting 'position' where its angle depends on it, in stage 3",
    "order": "one photon has no order",
    "events": "one photon is never split",
}


def switched(text: str, network: str, photons: int, incidence: str) -> Switches:
    """Parse switches from their text.

    Parameters
    ----------
    text : str
        ``name:value,name:value``.
    network, photons, incidence
        See `projects.ecal.networks.pair_estimator.NetworkSettings`.

    Raises
    ------
    BadInput
        For text that is not valid, and for a switch that does not apply to the task.
    """
    values: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = word.partition(":")
        if not colon or not value:
            raise BadInput(f"switches={text!r}: {word!r} is not name:value, for example scaling:event")
        values[name] = value
    try:
        switches: Switches = resolve(Switches, {}, values)
    except BadInput as error:
        raise BadInput(f"switches={text!r}: {error}") from None
    if values and network != "seed":
        raise BadInput(
            f"switches={text!r} are those of the study's network: give network=seed, or leave them out"
        )
    for name in values:
        if photons == 1 and name in _PAIRS:
            raise BadInput(f"switches={text!r}: {name!r} makes no sense here, {_PAIRS[name]}; leave it out")
    if switches.position and incidence == "normal":
        raise BadInput(
            f"switches={text!r}: 'position' makes no sense where photons come in parallel; "
            "give incidence=target"
        )
    if switches.loss == "percentage" and "units" in values:
        raise BadInput(f"switches={text!r}: errors in per cent have no 'units'; leave one of the two out")
    return switches
