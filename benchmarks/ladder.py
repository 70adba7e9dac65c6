"""The stages of the calorimeter beside the original study: every estimator on the same events, in one table.

``python -m benchmarks.ladder run FOLDER [STEP ...]`` trains and judges what FOLDER does not hold yet,
``python -m benchmarks.ladder take FOLDER STEP default|seed RUN_ID`` takes a finished run from the tracking
server instead, ``python -m benchmarks.ladder table FOLDER docs/ecal.md`` writes the tables into the page.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from projects import catalog
from projects.judging import gather, judge, only
from projects.run import SUBJECT, evidence_of
from projects.settings import resolve
from projects.task import Bench
from tracking.evidence import Evidence, from_json
from tracking.numbers import with_error
from tracking.recall import recall

NETWORKS = ("default", "seed")
#: How the table calls the two networks.
_STUDY, _OURS = "the study's network", "our network"
COLUMNS = ("coral", "lednev", "coral-tuned", "lednev-tuned")


@dataclass(frozen=True)
class Step:
    """A row of the table: a task with its settings, and what the study states, by quantity."""

    title: str
    task: str
    given: Mapping[str, str] = field(default_factory=dict)
    study: Mapping[str, str] = field(default_factory=dict)


STEPS = {
    "1": Step("1", "ecal_stage1", study={"x": "0.045", "y": "0.046"}),
    "2": Step("2", "ecal_stage2", study={"energy": "0.022"}),
    "3-1": Step(
        "3, up to 12 mrad", "ecal_stage3", {"dataset": "1"},
        {"x": "0.021*", "y": "0.020*", "energy": "0.022"},
    ),
    "3-2-blind": Step(
        "3, up to 27 mrad, position not known", "ecal_stage3", {"dataset": "2", "position": "false"},
        {"x": "0.037*"},
    ),
    "3-2": Step("3, up to 27 mrad", "ecal_stage3", {"dataset": "2"}, {"x": "0.020*"}),
    "4": Step("4", "ecal_stage4", study={"x": "0.42", "y": "0.33", "energy": "0.035"}),
}  # fmt: skip


def run(folder: Path, chosen: list[str]) -> None:
    """Train and judge the default network with all fits, and the study's network, of the chosen steps."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in chosen or STEPS:
        step = STEPS[key]
        for network in NETWORKS:
            path = folder / f"{key}-{network}.json"
            if path.exists():
                continue
            task = catalog.load(step.task)
            settings = resolve(task.settings, task.presets, {**step.given, "preset": network})
            asked = task if network == "default" else only(task, lambda name: name == SUBJECT)
            events = gather(task, settings)
            with tempfile.TemporaryDirectory() as scratch:
                bench = Bench(
                    seed=events.seed,
                    scratch=Path(scratch),
                    simulate=lambda number, seed, task=task, settings=settings: task.simulate(
                        settings, number, seed
                    ),
                )
                print(f"step {key}, {network}")
                judged = judge(asked, settings, events, bench, say=print)
            evidence = evidence_of(task, settings, events.test, judged, SUBJECT)
            path.write_text(evidence.to_json(), encoding="utf-8")


def kept(folder: Path) -> dict[str, dict[str, Evidence]]:
    """Evidence by step and network; of a step both are about the same events."""
    found: dict[str, dict[str, Evidence]] = {}
    for key in STEPS:
        paths = {name: folder / f"{key}-{name}.json" for name in NETWORKS}
        held = {name: from_json(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}
        if len({evidence.facts.sha256 for evidence in held.values()}) > 1:
            raise SystemExit(f"step {key}: the two networks were judged on different events; run it again")
        if held:
            found[key] = held
    return found


def resolutions(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Markdown: core widths of every estimator, a line for each quantity of a step."""
    bound = any("bound" in one.estimators for held in found.values() for one in held.values())
    names = [*COLUMNS, _STUDY, _OURS, *(["information limit"] if bound else [])]
    lines = [f"| stage | σ of | the study | {' | '.join(names)} |", "|---|---|" + (len(names) + 1) * "---|"]
    for key, held in found.items():
        step, title = STEPS[key], STEPS[key].title
        some = next(iter(held.values()))
        for quantity in some.quantities:
            sources = [("default", name) for name in COLUMNS] + [("seed", SUBJECT), ("default", SUBJECT)]
            sources += [("default", "bound")] if bound else []
            cells = [_sigma(held.get(which), name, quantity.name) for which, name in sources]
            label = {"energy": "E/E"}.get(quantity.name, f"{quantity.name} (cm)")
            lines.append(f"| {title} | {label} | {step.study.get(quantity.name, '')} | {' | '.join(cells)} |")
            title = ""
    return lines


def _sigma(evidence: Evidence | None, name: str, quantity: str) -> str:
    if evidence is None or name not in evidence.estimators:
        return "–"
    row = evidence.row(name, quantity)
    return with_error(row.sigma, row.sigma_err)


def _rows(held: Mapping[str, Evidence], fits: tuple[str, ...]) -> Iterator[tuple[Evidence, str, str]]:
    """Evidence of a step with the name of an estimator there and in the table."""
    named = [("default", name, name) for name in fits]
    for which, name, shown in [*named, ("seed", SUBJECT, _STUDY), ("default", SUBJECT, _OURS)]:
        if which in held and name in held[which].estimators:
            yield held[which], name, shown


def failures(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Markdown: central 68 % of x and share of failures, which cores do not show."""
    lines = ["| stage | estimator | q68 x (cm) | failures |", "|---|---|---|---|"]
    for key, held in found.items():
        title = STEPS[key].title
        for which, name in [
            *(("default", name) for name in COLUMNS),
            ("seed", SUBJECT),
            ("default", SUBJECT),
        ]:
            evidence = held.get(which)
            if evidence is None or name not in evidence.estimators:
                continue
            row, share = evidence.row(name, "x"), evidence.count(name).failures
            shown = (
                {"seed": "the study's network", "default": "our network"}[which] if name == SUBJECT else name
            )
            width = with_error(row.q68, row.q68_err)
            lines.append(f"| {title} | {shown} | {width} | {100 * share.value:.2f} % |")
            title = ""
    return lines


def terms(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Markdown: the terms of the resolution against energy."""
    lines = [
        "| stage | estimator | σ of | a (√GeV) | b (GeV) | c | χ²/ndf |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, held in found.items():
        title = STEPS[key].title
        for which, name in [
            *(("default", name) for name in COLUMNS[2:]),
            ("seed", SUBJECT),
            ("default", SUBJECT),
        ]:
            if which not in held:
                continue
            numbers = held[which].extra
            shown = (
                {"seed": "the study's network", "default": "our network"}[which] if name == SUBJECT else name
            )
            for quantity, label in (("x", "x (cm)"), ("energy", "E/E")):
                prefix = f"{name}/{quantity}"
                if f"{prefix}/stochastic" not in numbers:
                    continue
                cells = [
                    _term(numbers[f"{prefix}/{term}"], numbers[f"{prefix}/{term}_err"])
                    for term in ("stochastic", "noise", "constant")
                ]
                chi2 = numbers[f"{prefix}/terms_chi2_ndf"]
                lines.append(f"| {title} | {shown} | {label} | {' | '.join(cells)} | {chi2:.1f} |")
                title = ""
    return lines


def _term(value: float, error: float) -> str:
    return with_error(value, error) if value > 0 else f"0 (< {error:.2g})"


def table(folder: Path, page: Path) -> None:
    """Write the tables between the marks of the page."""
    found, text = kept(folder), page.read_text("utf-8")
    for mark, lines in (("ladder", resolutions), ("failures", failures), ("terms", terms)):
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        head, rest = text.split(begin)
        text = head + begin + "\n".join(lines(found)) + "\n" + end + rest.split(end)[1]
    page.write_text(text, encoding="utf-8")


def main(words: list[str]) -> int:
    """The command; returns the exit code."""
    match words:
        case ["run", folder, *chosen] if set(chosen) <= set(STEPS):
            run(Path(folder), chosen)
        case ["take", folder, step, network, run_id] if step in STEPS and network in NETWORKS:
            (Path(folder) / f"{step}-{network}.json").write_text(recall(run_id).to_json(), encoding="utf-8")
        case ["table", folder, page]:
            table(Path(folder), Path(page))
        case _:
            print(f"{__doc__}\nsteps: {', '.join(STEPS)}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
