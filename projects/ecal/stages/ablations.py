"""Ablations of the original study as tables of variants, one table per stage.

The base of a stage is its network of the study in a short training, so that a whole table takes a fraction of
an hour: larger batches and one cycle of a high learning rate, instead of the study's small constant one.
"""

from __future__ import annotations

from shashlik.task.variants import Statement, Study, Variant

__all__ = ["PAIRS", "STAGE1", "STAGE2", "STAGE3"]

_CYCLE = "schedule:cycle"
#: Training of the base.
_SHORT = {
    "network": "seed",
    "switches": _CYCLE,
    "train_events": 10_000,
    "test_events": 10_000,
    "batch": 256,
    "rate": 4e-3,
    "epochs": 6,
}
_SINGLE = {**_SHORT, "network_events": 40_000, "placement": "random"}
_PAIR = {**_SHORT, "network_events": 60_000}


def _switch(title: str, switches: str, **settings: object) -> Variant:
    return Variant(title, {"switches": f"{_CYCLE},{switches}", **settings})


#: Scalings for all stages.
_SCALINGS = {
    "scaling-none": _switch("cells as they are, in GeV", "scaling:none"),
    "scaling-event": _switch("cells of each event to mean 0, variance 1", "scaling:event"),
    "scaling-sample": _switch("cells by mean and variance of the training sample", "scaling:sample"),
    "scaling-fixed": _switch("cells by fixed mean and variance", "scaling:fixed"),
}
_COMMON = {
    "dropout": _switch("a tenth of all hidden units left out", "dropout:0.1"),
    "total": _switch("the sum of the cells is an input too", "total:true"),
    "percentage": _switch("loss: absolute errors in per cent", "loss:percentage"),
}


def _without(name: str) -> dict[str, Variant]:
    """Return the scalings other than the stage's own."""
    return {key: variant for key, variant in _SCALINGS.items() if key != name}


_DROPOUT = Statement("dropout is not useful (stage 1)", "dropout", "base", "no help")
_NONE = Statement(
    "standardised globally or not at all: no big difference (stage 2)", "scaling-none", "base", "same"
)
_TOTAL = Statement("the sum of all cells as an input does not change much (stage 2)", "total", "base", "same")
_EVENT = Statement(
    "standardised event by event the energy is lost (stage 2)", "scaling-event", "base", "worse", ("energy",)
)
_PERCENTAGE = Statement("a loss in per cent diverges (stage 2)", "percentage", "base", "diverges")

STAGE1 = Study(
    base=_SINGLE,
    title="the network of stage 1: each event standardised",
    variants={
        **_without("scaling-event"),
        "dropout": _COMMON["dropout"],
        "rate-low": Variant("a fifth of the learning rate", {"rate": 8e-4}),
        "rate-high": Variant("five times the learning rate", {"rate": 2e-2}),
    },
    statements=(
        _DROPOUT,
        Statement("the best result is with standardisation", "scaling-none", "base", "worse"),
    ),
    stated={"x": 0.045, "y": 0.046},
    events="network_events",
)

STAGE2 = Study(
    base=_SINGLE,
    title="the network of stage 2: cells standardised over the sample, clusters placed at random",
    variants={
        **_without("scaling-sample"),
        **_COMMON,
        "centred": Variant("clusters placed in the middle of the grid", {"placement": "centred"}),
        "units-resolution": _switch("errors in units of 0.5 cm and 2.5 GeV", "units:resolution"),
    },
    statements=(
        _NONE,
        _EVENT,
        _TOTAL,
        _PERCENTAGE,
        Statement("random placement does not improve the resolution", "centred", "base", "same"),
    ),
    stated={"energy": 0.022},
    events="network_events",
)

STAGE3 = Study(
    base={**_SINGLE, "dataset": 2, "position": True},
    title="the network of stage 3: angles up to 27 mrad, position known",
    variants={
        "blind": Variant("position not known", {"position": False}),
        "dataset-1": Variant("angles up to 12 mrad, position known", {"dataset": 1}),
        "dataset-1-blind": Variant(
            "angles up to 12 mrad, position not known", {"dataset": 1, "position": False}, against="dataset-1"
        ),
        "scaling-sample": _SCALINGS["scaling-sample"],
        "scaling-none": _SCALINGS["scaling-none"],
        "total": _COMMON["total"],
        "units-resolution": _switch("errors in units of 0.5 cm and 2.5 GeV", "units:resolution"),
    },
    statements=(
        Statement(
            "without the absolute position large angles are worse in x", "blind", "base", "worse", ("x",)
        ),
        Statement(
            "small angles are learned without the position",
            "dataset-1-blind",
            "dataset-1",
            "same",
            ("x", "y"),
        ),
        _NONE,
        _TOTAL,
    ),
    events="network_events",
)

PAIRS = Study(
    base=_PAIR,
    title="the best network of stage 4",
    variants={
        "order-energy": _switch("labels sorted by energy", "order:energy"),
        "order-x": _switch("labels sorted by x", "order:x"),
        "order-y": _switch("labels sorted by y", "order:y"),
        "order-epoch": _switch("labels exchanged after each epoch", "order:epoch"),
        "units-none": _switch("loss without weights: cm and GeV", "units:none"),
        "distance-0": Variant("trained on photons of any distance", {"distance_low": 0.0}, judged="base"),
        "lednev-splits": _switch("trained on events that the Lednev fit splits", "events:lednev"),
        "monoenergetic": Variant("photons of 100 GeV only", {"energy_low": 100.0, "energy_high": 100.0}),
        "random": Variant("clusters placed at random in training", {"placement": "random"}),
        "convolution": _switch("a convolution with 16 filters of 3 x 3 first", "convolution:16"),
        "target": Variant("photons from the target, position not known", {"incidence": "target"}),
        "target-position": Variant(
            "photons from the target, position known",
            {"incidence": "target", "switches": f"{_CYCLE},position:true"},
            against="target",
        ),
        **_without("scaling-fixed"),
        **_COMMON,
        "rate-low": Variant("a fifth of the learning rate", {"rate": 8e-4}),
        "rate-high": Variant("five times the learning rate", {"rate": 2e-2}),
    },
    statements=(
        Statement("labels sorted by energy get mixed up", "order-energy", "base", "worse"),
        Statement("sorted by x is even worse", "order-x", "order-energy", "worse"),
        Statement("sorted by y is even worse", "order-y", "order-energy", "worse"),
        Statement("labels exchanged after each epoch help", "order-epoch", "order-energy", "better"),
        Statement("the flip-invariant loss does as well, in less time", "order-epoch", "base", "no help"),
        Statement(
            "errors in units of the resolution wished for help a lot in position",
            "units-none",
            "base",
            "worse",
            ("x", "y"),
        ),
        Statement("photons at least 4 cm apart are better to learn from", "distance-0", "base", "worse"),
        Statement("training on what the Lednev fit splits does not help", "lednev-splits", "base", "no help"),
        Statement(
            "photons of one energy do not help in position", "monoenergetic", "base", "no help", ("x", "y")
        ),
        Statement("the absolute position helps in x", "target-position", "target", "better", ("x",)),
        Statement("a convolutional layer helps a bit", "convolution", "base", "better"),
        Statement("clusters in the middle of the grid help", "random", "base", "worse"),
        _DROPOUT,
        _NONE,
        _EVENT,
        _TOTAL,
        _PERCENTAGE,
    ),
    stated={"x": 0.42, "y": 0.33, "energy": 0.035},
    events="network_events",
)
