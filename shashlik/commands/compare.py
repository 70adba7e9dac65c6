"""``shashlik compare``: versions, runs, aliases side by side on the frozen sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from registry.journal.champions import Registry
from registry.models import versions
from shashlik.commands import freeze
from shashlik.evaluation.frozen_evaluation import called, enter, frozen_sample, ranked, residuals_of
from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from tracking.evidence.resolution import AnyEvidence
from tracking.report.run_report import RESOLUTION
from tracking.runs.indexing import COMPARED, judged, keep

__all__ = ["compare"]


def compare(
    registry: Registry,
    task: Task,
    references: Sequence[str],
    folder: Path | None = None,
    say: Callable[[str], object] = print,
) -> AnyEvidence:
    """Evidence of several versions on the frozen sample; the first is compared with all others.

    Parameters
    ----------
    registry : Registry
        Takes note of the look at the sample.
    references : sequence of str
        See `registry.models.versions.find`.
    folder : pathlib.Path, optional
        Where figures are written.

    Returns
    -------
    AnyEvidence
        It is kept with the run of the first version, too, so that leaderboards have all of them.

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
        entrant = enter(task, versions.find(task.name, str(number)), text, sample)
        found[called(entrant.version)] = entrant
        say(f"{called(entrant.version)} ({text}): asked about {len(sample)} frozen events")
    evidence = ranked(task, kept, sample, list(found.values()))
    entrants = list(found.values())
    keep(entrants[0].version.run_id, evidence, judged(kept.version, COMPARED), residuals_of(kept, entrants))
    registry.note(task.name, "look", None, {"decision": "compare", "versions": list(chosen)})
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = {name: one.outcome for name, one in found.items()}
        for name, figure in task.judgement.figures(evidence, outcomes).items():
            figure.savefig(folder / f"{name}.png", dpi=RESOLUTION)
        (folder / "evidence.json").write_text(evidence.to_json())
    return evidence
