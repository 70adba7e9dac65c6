"""Evaluate a candidate against champion and baselines, and promote it if it is better."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from registry.gate import decision
from registry.gate.card import card, ratios, summary
from registry.gate.verdict import Spread, Verdict
from registry.journal.aliases import CHAMPION
from registry.journal.champions import Registry
from registry.models import lineage, versions
from registry.models.frozen_sample import Frozen
from registry.models.versions import LONGEST_DESCRIPTION, Version
from shashlik.commands import baselines, freeze
from shashlik.evaluation.frozen_evaluation import (
    SEED,
    WARM,
    Entrant,
    enter,
    frozen_sample,
    predict_all,
    ranked,
    residuals_of,
)
from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from shashlik.task.sample import Sample
from tracking.rule import Terms
from tracking.runs.indexing import GATE, judged, keep
from tracking.runs.lifecycle import CannotRecord, one_line
from tracking.runs.models import load

__all__ = ["candidates", "promote"]

#: Maximum number of trainings with other random seeds, whose scatter is shown beside the interval.
SEEDS = 3


def candidates(task: str) -> list[Version]:
    """List the versions that are not baselines, the oldest first."""
    return [version for version in versions.listed(task) if "baseline" not in version.tags]


def promote(
    registry: Registry,
    task: Task,
    reference: str = "",
    look: bool = False,
    seeds: int = SEEDS,
    say: Callable[[str], object] = print,
) -> Verdict:
    """Evaluate a candidate and make it champion if the verdict is PROMOTE.

    Parameters
    ----------
    registry : Registry
    task : Task
        Task with a rule.
    reference : str
        Reference of the candidate, see `registry.models.versions.find`; empty for the newest.
    look : bool
        Whether to evaluate without promotion.
    seeds : int
        Maximum number of versions with the same settings and other random seeds that are evaluated on the
        frozen sample as well. The scatter of their results is part of the verdict, but does not affect the
        decision.
    say : callable
        Receives one line of progress at a time.

    Raises
    ------
    BadInput
        If there is no candidate, or the task has no rule.
    Conflict
        If another promotion happened in the meantime; nothing is promoted then.
    """
    if task.rule is None:
        raise BadInput(f"{task.name} declares no rule, so nothing can be promoted: give its Task one")
    if problems := registry.problems(task.name):
        raise BadInput(f"{problems[0]}: nothing is promoted before 'shashlik doctor {task.name} --repair'")
    candidate = _candidate(task.name, reference)
    expected = registry.state(task.name).champion
    if candidate.number == expected:
        raise BadInput(f"{candidate.name} is the champion of {task.name} already")
    frozen = freeze.ensure(registry, task.name)
    rivals = baselines.ensure(registry, task)
    verdict, entrants, sample = _verdict(
        registry, task, task.rule, candidate, expected, rivals, frozen, seeds, say
    )
    details = {
        "decision": verdict.decision,
        "sample": verdict.sample_sha256,
        "reasons": list(verdict.reasons),
    }
    registry.note(task.name, "look", candidate.number, details, verdict.sha256)
    where = _keep(candidate, verdict)
    if sample is not None:
        say(f"the places of {len(entrants)} versions on the frozen sample are counted")
        evidence = ranked(task, frozen, sample, entrants)
        keep(candidate.run_id, evidence, judged(frozen.version, GATE), residuals_of(frozen, entrants))
    if verdict.promoted and not look:
        registry.promote(verdict, candidate.number, expected, _same(entrants[0], sample))
    picture = f"/get-artifact?path={where}/ratios.png&run_uuid={candidate.run_id}" if verdict.claims else ""
    text = summary(verdict, picture, LONGEST_DESCRIPTION)
    tags = {"verdict": verdict.decision, "verdict.sha256": verdict.sha256}
    versions.write(task.name, candidate.number, tags, text)
    return verdict


def _candidate(task: str, reference: str) -> Version:
    if reference:
        return versions.find(task, reference)
    listed = candidates(task)
    if not listed:
        raise BadInput(f"{task} has no candidate yet: make one with 'mlflow run . -e {task}'")
    return listed[-1]


def _verdict(
    registry: Registry,
    task: Task,
    rule: Terms,
    candidate: Version,
    expected: int | None,
    rivals: dict[str, int],
    frozen: Frozen,
    seeds: int,
    say: Callable[[str], object],
) -> tuple[Verdict, list[Entrant], Sample | None]:
    """Decide the verdict without ever raising an exception: a failure must be recorded and must not promote.

    Also returns the evaluated versions, the candidate first, and the sample; both are empty without an
    evaluation.
    """
    facts = {
        "task": task.name,
        "candidate": candidate.name,
        "sample_sha256": frozen.sha256,
        "events": frozen.events,
        "champion": "" if expected is None else f"version {expected}",
        "rule_sha256": rule.sha256,
        "looks": registry.state(task.name).looks + 1,
        "seed": SEED,
    }
    try:
        if objection := _unclear(candidate, frozen):
            return decision.undecided(objection, **facts), [], None
        sample = frozen_sample(task, frozen)
        entrants: dict[str, Entrant] = {}
        opponents = {candidate.name: candidate.number}
        if expected is not None:
            opponents["champion"] = expected
        opponents |= {f"baseline-{name}": number for name, number in rivals.items()}
        for name, number in opponents.items():
            entrants[name] = enter(task, versions.find(task.name, str(number)), name, sample)
            say(f"{name}: asked about {len(sample)} frozen events")
        champion = entrants.get("champion")
        verdict = decision.judge(
            rule,
            entrants[candidate.name].contestant,
            champion.contestant if champion else None,
            {name: entrants[f"baseline-{name}"].contestant for name in rivals},
            task=task.name,
            sample_sha256=frozen.sha256,
            seed=SEED,
            looks=int(str(facts["looks"])),
            trials=int(lineage.run_tags(candidate.run_id).get("search.trials", 0)),
            spreads=_spreads(task, candidate, entrants[candidate.name], sample, seeds, say),
        )
        return verdict, list(entrants.values()), sample
    except Exception as error:
        return decision.undecided(f"it could not be judged: {one_line(error)}", **facts), [], None


def _spreads(
    task: Task,
    candidate: Version,
    reference: Entrant,
    sample: Sample,
    seeds: int,
    say: Callable[[str], object],
) -> list[Spread]:
    """Measure the scatter of results on the frozen sample over trainings that differ only in the seed."""
    entrants = [reference]
    for version in lineage.siblings(candidate, candidates(task.name), seeds):
        try:
            entrants.append(enter(task, version, version.name, sample))
            say(f"{version.name}, of another seed: asked about {len(sample)} frozen events")
        except CannotRecord as error:
            say(f"{version.name}, of another seed, is left out: {error}")
    if len(entrants) < 2:
        return []
    cores = [task.judgement.core(entrant.outcome) for entrant in entrants]
    return [
        Spread(name, len(cores), float(np.std(values, ddof=1) / np.mean(values)))
        for name, values in ((name, [core[name] for core in cores]) for name in cores[0])
    ]


def _unclear(candidate: Version, frozen: Frozen) -> str:
    """Explain why the candidate may have been trained on events of the frozen sample; empty if not."""
    if frozen.simulated or lineage.run_tags(candidate.run_id).get("frozen.unseen") == str(frozen.version):
        return ""
    return (
        f"{candidate.name} was trained before frozen sample {frozen.version} was made, perhaps on its "
        "events: train it again"
    )


def _keep(candidate: Version, verdict: Verdict) -> str:
    """Store verdict, card and figure as artifacts of the candidate's run."""
    where = f"verdicts/{verdict.sha256[:12]}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "verdict.json").write_text(verdict.to_json())
        (folder / "card.md").write_text(card(verdict, "ratios.png" if verdict.claims else ""))
        if verdict.claims:
            ratios(verdict).savefig(folder / "ratios.png", dpi=90)
        lineage.log_files(candidate.run_id, folder, where)
    return where


def _same(entrant: Entrant, sample: Sample | None) -> Callable[[Path], None]:
    """Return a check that files reproduce the candidate's predictions of the first events."""

    def check(folder: Path) -> None:
        assert sample is not None
        predict, inputs = load(folder)
        predictions = predict_all(predict, inputs, sample.select(slice(0, WARM)))
        for name, values in predictions.items():
            expected = entrant.predictions[name][:WARM]
            if not np.allclose(values, expected, rtol=1e-4, atol=1e-6, equal_nan=True):
                raise CannotRecord(f"loaded through the alias {CHAMPION!r} it gives other values of {name!r}")

    return check
