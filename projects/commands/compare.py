"""``shashlik compare``: versions, runs, aliases side by side on the frozen sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from projects.commands import freeze
from projects.contest import enter, frozen_sample
from projects.task import BadInput, Task
from registry import versions
from registry.champions import Registry
from tracking.evidence import AnyEvidence, Facts
from tracking.provenance import versions as packages
from tracking.report import RESOLUTION

__all__ = ["compare"]


def compare(
    registry: Registry, task: Task, references: Sequence[str], folder: Path | None = None,
    say: Callable[[str], object] = print,
) -> AnyEvidence:  # fmt: skip
    """Evidence of several versions on the frozen sample; the first is compared with all others.

    Parameters
    ----------
    registry : Registry
        Takes note of the look at the sample.
    references : sequence of str
        See `registry.versions.find`.
    folder : pathlib.Path, optional
        Where figures are written.

    Raises
    ------
    BadInput
        If fewer than two different versions are named.
    """
    chosen = {versions.find(task.name, text).number: text for text in references}
    if len(chosen) < 2:
        raise BadInput(f"{' '.join(references)!r} names {len(chosen)} version: name at least two to compare")
    kept = freeze.ensure(registry, task.name)
    sample = frozen_sample(task, kept)
    found = {}
    for number, text in chosen.items():
        version = versions.find(task.name, str(number))
        name = (
            f"v{number}-{version.estimator}" if text.removeprefix("v").isdigit() or len(text) == 32 else text
        )
        found[name] = enter(task, version, name, sample)
        say(f"{name}: asked about {len(sample)} frozen events")
    facts = Facts(
        task.name, kept.sha256, f"frozen sample {kept.version}: {kept.source}", len(sample),
        next(iter(found.values())).outcome.shape[1], freeze.SEED, packages(),
    )  # fmt: skip
    outcomes = {name: one.outcome for name, one in found.items()}
    evidence = task.judgement.evidence(
        outcomes, facts=facts, seed=freeze.SEED, subject=next(iter(found)),
        ns_per_event={name: one.contestant.ns_per_event for name, one in found.items()},
        extra=task.extra_metrics(sample, {name: one.predictions for name, one in found.items()}),
    )  # fmt: skip
    registry.note(task.name, "look", None, {"decision": "compare", "versions": list(chosen)})
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in task.judgement.figures(evidence, outcomes).items():
            figure.savefig(folder / f"{name}.png", dpi=RESOLUTION)
        (folder / "evidence.json").write_text(evidence.to_json())
    return evidence
