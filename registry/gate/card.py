"""Markdown cards of verdicts, and a figure of the quantities that have to improve."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from registry.gate.verdict import INCONCLUSIVE, OPEN, REFUTED, SHOWN, Claim, Verdict
from tracking.report.numbers import interval, plain
from tracking.report.rendering import escaped

__all__ = ["card", "ratios", "summary", "terminal"]

_MARKS = {SHOWN: "yes", OPEN: "open", REFUTED: "**no**"}
_COLOURS = {SHOWN: "tab:green", OPEN: "tab:orange", REFUTED: "tab:red"}


def card(verdict: Verdict, picture: str = "") -> str:
    """Render the whole verdict in markdown.

    Parameters
    ----------
    verdict : Verdict
        The verdict to render.
    picture : str
        Address of the figure of `ratios`.
    """
    blocks = [*_head(verdict), _picture(picture), "### All claims", _table(verdict.claims), *_foot(verdict)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary(verdict: Verdict, picture: str = "", longest: int = 5000) -> str:
    """Render the verdict in markdown of at most `longest` characters.

    Decisive claims are shown in full; of the others only their number.
    """
    decisive = [c for c in verdict.claims if c.kind == "better" or c.status != SHOWN]
    others = len(verdict.claims) - len(decisive)
    kinds = ", ".join(dict.fromkeys(c.kind for c in verdict.claims if c not in decisive))
    rest = "Against each reference one quantity that is better is enough." if decisive else ""
    if others:
        rest += f" {others} further claims hold ({kinds})."
    while True:
        blocks = [*_head(verdict), _picture(picture), _table(decisive), rest, *_foot(verdict)]
        text = "\n\n".join(block for block in blocks if block)
        if len(text) <= longest or not decisive:
            return text[:longest]
        decisive = decisive[:-1]
        rest = "More is in the artifact `card.md` of the verdict."


def terminal(verdict: Verdict) -> str:
    """Render the decision and its reasons as plain lines."""
    lines = [f"{verdict.decision}: {verdict.candidate} of {verdict.task}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    if not math.isnan(verdict.events_needed):
        lines.append(f"  events needed to decide: {verdict.events_needed:.2g}, there are {verdict.events}")
    for spread in verdict.spreads:
        lines.append(f"  {spread.trainings} seeds: {spread.quantity} scatters by {spread.relative:.2%}")
    if verdict.trials:
        lines.append(f"  chosen from {verdict.trials} trials of a search, on validation events")
    lines.append(f"  look {verdict.looks} at this frozen sample; verdict {verdict.sha256}")
    return "\n".join(lines)


def ratios(verdict: Verdict) -> Figure:
    """Draw the quantities that have to improve, relative to every reference, with their intervals.

    The line is the limit beyond which a quantity counts as better. Core widths, areas and significances
    have one axis each.
    """
    groups: dict[str, list[Claim]] = {}
    for claim in verdict.claims:
        if claim.kind == "better":
            groups.setdefault(
                claim.what.split(" of ")[0] if math.isfinite(claim.most) else claim.what, []
            ).append(claim)
    heights = [max(len(claims), 1) for claims in groups.values()] or [1]
    figure = Figure(figsize=(7.0, 0.6 + 0.6 * len(heights) + 0.3 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (quantity, claims) in zip(panels, groups.items(), strict=False):
        for height, claim in enumerate(reversed(claims)):
            if math.isfinite(claim.value + claim.low + claim.high):
                error = [[claim.value - claim.low], [claim.high - claim.value]]
                axes.errorbar(
                    claim.value, height, xerr=error, fmt="o", color=_COLOURS[claim.status], capsize=3
                )
        names = [c.what.removeprefix(f"{quantity} of ") for c in reversed(claims)]
        labels = [
            c.reference if n == quantity else f"{n} / {c.reference}"
            for n, c in zip(names, reversed(claims), strict=True)
        ]
        axes.set_yticks(range(len(claims)), labels)
        axes.set_ylim(-0.6, len(claims) - 0.4)
        axes.axvline(
            next(limit for limit in (claims[0].most, claims[0].least) if math.isfinite(limit)),
            color="black",
            linewidth=0.8,
        )
        axes.set_xlabel(f"{quantity} relative to the reference, simultaneous intervals")
    panels[0].set_title(f"{verdict.candidate}: {verdict.decision}")
    return figure


def _head(verdict: Verdict) -> list[str]:
    blocks = [f"**{verdict.decision}: {escaped(verdict.candidate)} of {escaped(verdict.task)}**"]
    if verdict.decision == INCONCLUSIVE and verdict.claims:
        needed = verdict.events_needed
        more = f"about {plain(needed, 2)} events" if math.isfinite(needed) else "no sample of reasonable size"
        blocks.append(f"The sample has {verdict.events} events; {more} would decide.")
    blocks.append("\n".join(f"- {escaped(reason)}" for reason in verdict.reasons[:12]))
    return blocks


def _picture(address: str) -> str:
    return f"![what has to be better]({address})" if address else ""


def _table(claims: Sequence[Claim]) -> str:
    if not claims:
        return ""
    lines = ["| claim | relative to | measured | wanted | holds |", "|---|---|---:|---:|---|"]
    for claim in claims:
        limits = [
            f"> {claim.least:g}" if math.isfinite(claim.least) else "",
            f"< {claim.most:g}" if math.isfinite(claim.most) else "",
        ]
        cells = (
            f"{claim.kind}: {claim.what}",
            claim.reference or "–",
            interval(claim.value, claim.low, claim.high),
            ", ".join(text for text in limits if text),
        )
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} | {_MARKS[claim.status]} |")
    return "\n".join(lines)


def _foot(verdict: Verdict) -> list[str]:
    blocks = []
    if verdict.spreads:
        spreads = ", ".join(f"{s.quantity} {100 * s.relative:.2g} % ({s.trainings})" for s in verdict.spreads)
        blocks.append(f"Spread between trainings that differ in the seed alone: {escaped(spreads)}.")
    search = f"; chosen from {verdict.trials} trials on validation events" if verdict.trials else ""
    champion = f"champion {escaped(verdict.champion)}" if verdict.champion else "no champion before"
    blocks.append(
        f"Judged on {verdict.events} frozen events, sha256 {verdict.sample_sha256[:12]}, "
        f"look {verdict.looks}{search}; {champion}; rule {verdict.rule_sha256[:12]}; "
        f"bootstrap seed {verdict.seed}."
    )
    return blocks
