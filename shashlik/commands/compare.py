"""Compare versions, runs and aliases side by side on the frozen sample."""

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
    """Evaluate several versions on the frozen sample; the first is compared with all others.

    Parameters
    ----------
    registry : Registry
        Registry that counts this use of the sample.
    references : sequence of str
        See `registry.models.versions.find`.
    folder : pathlib.Path, optional
        Folder for figures.

    Returns
    -------
    AnyEvidence
        The evidence is also stored with the run of the first version, so that leaderboards show all versions.

    Raises
    ------
    BadInput
        If fewer than two different versions are named.
    """
    selected = {versions.find(task.name, text).number: text for text in references}
    if len(selected) < 2:
        raise BadInput(
            f"{' '.join(references)!r} names {len(selected)} version: name at least two to compare"
        )
    frozen = freeze.ensure(registry, task.name)
    sample = frozen_sample(task, frozen)
    by_name = {}
    for number, text in selected.items():
        entrant = enter(task, versions.find(task.name, str(number)), text, sample)
        by_name[called(entrant.version)] = entrant
        say(f"{called(entrant.version)} ({text}): asked about {len(sample)} frozen events")
    evidence = ranked(task, frozen, sample, list(by_name.values()))
    entrants = list(by_name.values())
    keep(
        entrants[0].version.run_id, evidence, judged(frozen.version, COMPARED), residuals_of(frozen, entrants)
    )
    registry.note(task.name, "look", None, {"decision": "compare", "versions": list(selected)})
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = {name: member.outcome for name, member in by_name.items()}
        for name, figure in task.judgement.figures(evidence, outcomes).items():
            figure.savefig(folder / f"{name}.png", dpi=RESOLUTION)
        (folder / "evidence.json").write_text(evidence.to_json())
    return evidence
