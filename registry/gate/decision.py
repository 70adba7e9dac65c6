"""The gate: statistical decision whether a candidate becomes champion.

This module does no input or output and promotes nothing.

A candidate is compared with every reference (the champion and the baselines of the rule) on identical
events by a paired bootstrap: all models share each draw of events, and every statistic is recomputed in
each replica. At least one primary quantity must be better; the intervals of the primary quantities are
simultaneous (max-T, P. Westfall and S. Young, *Resampling-Based Multiple Testing*, 1993). All other claims
must hold together, so that each can be tested at the full level (an intersection-union test, R. Berger,
Technometrics 24 (1982) 295).

The claims depend on the kind of the rule, see `registry.gate.resolution_claims` and
`registry.gate.score_claims`. The decision that follows from the claims does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry.gate import resolution_claims, score_claims
from registry.gate.verdict import INCONCLUSIVE, Claim, Spread, Verdict, claim, decide
from tracking.rule import Rule, ScoreRule, Terms
from tracking.statistics.residuals import Residuals
from tracking.statistics.scores import Scores

__all__ = ["Contestant", "judge", "undecided"]


#: Class of outcomes and module of claims for each kind of rule.
_CLAIMS: Mapping[type, tuple[type, Any]] = {
    Rule: (Residuals, resolution_claims),
    ScoreRule: (Scores, score_claims),
}


@dataclass(frozen=True)
class Contestant:
    """One model evaluated by the gate.

    Parameters
    ----------
    name : str
        Name in the reasons, e.g. ``version 7`` or ``baseline-coral``.
    outcome : Residuals or Scores
        Outcome on all events of the frozen sample.
    metrics : mapping of str to float
        Metrics of the task, without the name of the estimator.
    ns_per_event, megabytes : float
        Time and size.
    sha256 : str
        Hash of the model's files.
    """

    name: str
    outcome: Residuals | Scores
    metrics: Mapping[str, float] = field(default_factory=dict)
    ns_per_event: float = 0.0
    megabytes: float = 0.0
    sha256: str = ""


def undecided(reason: str, **facts: Any) -> Verdict:
    """Return an inconclusive verdict when the gate cannot evaluate; `facts` as in `judge`."""
    blank: dict[str, Any] = {
        "task": "",
        "candidate": "",
        "champion": "",
        "sample_sha256": "",
        "rule_sha256": "",
        "events": 0,
    }
    return Verdict(INCONCLUSIVE, (reason,), (), **blank | facts)


def judge(
    rule: Terms,
    candidate: Contestant,
    champion: Contestant | None,
    baselines: Mapping[str, Contestant],
    *,
    task: str,
    sample_sha256: str,
    seed: int,
    looks: int = 1,
    trials: int = 0,
    spreads: Sequence[Spread] = (),
) -> Verdict:
    """Decide whether a candidate meets the rule.

    A failure inside the gate raises nothing and promotes nothing: the verdict is inconclusive.

    Parameters
    ----------
    rule : Rule or ScoreRule
        The rule of the task.
    candidate, champion : Contestant
        Without a champion only the baselines are references.
    baselines : mapping of str to Contestant
        Baselines by name; all rivals of the rule must be included.
    task, sample_sha256 : str
        The task and its frozen sample.
    seed : int
        Random seed of the bootstrap.
    looks : int
        Looks at this sample, including this one.
    trials : int
        Trials of the search that selected the candidate on other events; 0 without a search.
    spreads : sequence of Spread
        Spreads between random seeds, reported beside the decision.
    """
    references = [baselines[name] for name in rule.rivals if name in baselines]
    if champion is not None:
        references.insert(0, champion)
    facts: dict[str, Any] = {
        "task": task,
        "candidate": candidate.name,
        "champion": champion.name if champion else "",
        "sample_sha256": sample_sha256,
        "rule_sha256": rule.sha256,
        "events": candidate.outcome.shape[0],
        "looks": looks,
        "trials": trials,
        "spreads": tuple(spreads),
        "seed": seed,
        "hashes": {contestant.name: contestant.sha256 for contestant in (candidate, *references)},
    }
    if trouble := _trouble(rule, candidate, references, baselines):
        return undecided(trouble, **facts)
    try:
        outcomes = {contestant.name: contestant.outcome for contestant in references}
        _, module = _CLAIMS[type(rule)]
        claims = [*module.claims(rule, candidate.outcome, outcomes, seed), *_absolute(rule, candidate)]
        decision, reasons, needed = decide(claims)
    except Exception as error:
        # A gate that fails must stay shut, whatever the failure is.
        return undecided(f"the gate itself failed: {type(error).__name__}: {error}", **facts)
    return replace(Verdict(decision, reasons, tuple(claims), **facts), events_needed=needed)


def _trouble(
    rule: Terms, candidate: Contestant, references: Sequence[Contestant], baselines: Mapping[str, Contestant]
) -> str:
    missing = [name for name in rule.rivals if name not in baselines]
    if missing:
        return f"no baseline {', '.join(missing)} to compare with: register it first"
    if not references and not rule.limits:
        return "there is neither a champion nor a baseline to compare with, nor a limit to keep"
    kind, module = _CLAIMS[type(rule)]
    if not isinstance(candidate.outcome, kind):
        return f"a {type(rule).__name__} judges {kind.__name__}, which the task does not make"
    if text := module.trouble(rule, candidate.outcome):
        return str(text)
    for other in references:
        if type(other.outcome) is not kind or other.outcome.shape != candidate.outcome.shape:
            return (
                f"{other.name} was judged on other events: shape {other.outcome.shape}, "
                f"not {candidate.outcome.shape}"
            )
    return ""


def _absolute(rule: Terms, candidate: Contestant) -> Iterator[Claim]:
    """Yield the claims about the candidate alone, one for each limit of the rule."""
    for kind, quantity, value, most in (
        ("speed", "ns an event", candidate.ns_per_event, rule.ns_per_event),
        ("size", "size in MB", candidate.megabytes, rule.megabytes),
    ):
        if math.isfinite(most):
            yield claim(kind, quantity, "", (value, value, value), (-math.inf, most))
    for check in rule.checks:
        value = candidate.metrics.get(check.metric, math.nan)
        half = 2 * candidate.metrics.get(f"{check.metric}_err", 0.0)
        events = candidate.outcome.shape[0] if half > 0 else 0
        yield claim(
            "check",
            check.meaning or check.metric,
            "",
            (value, value - half, value + half),
            (check.least, check.most),
            events=events,
            z=2.0,
        )
