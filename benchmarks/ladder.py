"""Compare the stages of the calorimeter with the original study: every estimator on the same events.

``python -m benchmarks.ladder run FOLDER [STEP ...]`` trains and evaluates the parts that FOLDER lacks;
``python -m benchmarks.ladder take FOLDER STEP PART RUN_ID`` takes a finished run of the step's settings from
the tracking server instead; ``python -m benchmarks.ladder table FOLDER docs/ecal.md`` writes the tables into
the page, where steps that FOLDER lacks stay unchanged. A part is ``default`` (our network and all fits),
``seed`` (the study's network) or ``bound``.
``python -m benchmarks.ladder clusters`` prints how many clusters fit into 5 x 5 cells.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from projects.ecal.fits.baselines import cell_arrays, truth_array
from projects.ecal.stages.single_photon import WINDOW
from projects.ecal.windows.placement import windows
from shashlik.evaluation.evaluate import gather, judge, only
from shashlik.evaluation.run import SUBJECT, evidence_of
from shashlik.task import catalog
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve
from tracking.evidence.resolution import LIMIT, Evidence, from_json
from tracking.report.numbers import percent, with_error
from tracking.runs.reader import recall
from tracking.statistics.residuals import Residuals
from tracking.statistics.resolution import Resolution, resolution

#: Parts of a step, each in a file of its own: our network with all fits, the study's network, and the
#: information limit, which needs no training.
PARTS = ("default", "seed", LIMIT)
#: Names of the two networks in the table.
_STUDY, _OURS = "the study's network", "our network"
COLUMNS = ("coral", "lednev", "coral-tuned", "lednev-tuned")


@dataclass(frozen=True)
class Step:
    """Row of the table: a task with its settings, and the widths stated by the study, by quantity.

    The limit assumes that the positions of the cells are known. A step can be evaluated on the test events of
    another (`on`), with which it then shares the limit.
    """

    title: str
    task: str
    given: Mapping[str, str] = field(default_factory=dict)
    study: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = PARTS
    on: str = ""


STEPS = {
    "1": Step("1", "ecal_stage1", study={"x": "0.045", "y": "0.046"}),
    "2": Step("2", "ecal_stage2", study={"energy": "0.022"}),
    "3-1": Step(
        "3, up to 12 mrad", "ecal_stage3", {"dataset": "1"}, {"x": "0.021*", "y": "0.020*", "energy": "0.022"}
    ),
    "3-2-blind": Step(
        "3, up to 27 mrad, position not known",
        "ecal_stage3",
        {"dataset": "2", "position": "false"},
        {"x": "0.037*"},
        PARTS[:2],
    ),
    "3-2": Step("3, up to 27 mrad", "ecal_stage3", {"dataset": "2"}, {"x": "0.020*"}),
    "4": Step("4", "ecal_stage4", study={"x": "0.42", "y": "0.33", "energy": "0.035"}),
    # Fewer events than by default, to save time.
    "4-target": Step(
        "4, from the target",
        "ecal_stage4",
        {"incidence": "target", "network_events": "100000", "test_events": "8000"},
        parts=("default", LIMIT),
    ),
    "4-whole": Step(
        "4*, on the same pairs",
        "ecal_stage4_whole",
        {"test_events": "8000"},
        parts=("default",),
        on="4-target",
    ),
}


def run(folder: Path, chosen: list[str]) -> None:
    """Train and evaluate all parts of the chosen steps that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in chosen or STEPS:
        step = STEPS[key]
        task = catalog.load(step.task)
        without = replace(task, limit=None)
        variants = {
            "default": without,
            "seed": only(without, lambda name: name == SUBJECT),
            LIMIT: only(task, lambda name: False),
        }
        for part in step.parts:
            path = folder / f"{key}-{part}.json"
            if path.exists():
                continue
            preset = "seed" if part == "seed" else "default"
            settings = resolve(task.settings, task.presets, {**step.given, "preset": preset})
            events = gather(task, settings)
            if step.on:
                other = STEPS[step.on]
                kind = catalog.load(other.task)
                test = gather(kind, resolve(kind.settings, kind.presets, other.given)).test
                events = replace(events, test=test)
            with tempfile.TemporaryDirectory() as scratch:
                simulate = partial(task.simulate, settings)
                print(f"step {key}, {part}")
                bench = Bench(seed=events.seed, scratch=Path(scratch), simulate=simulate)
                judged = judge(variants[part], settings, events, bench, say=print)
            subject = LIMIT if part == LIMIT else SUBJECT
            evidence = evidence_of(task, settings, events.test, judged, subject)
            if part == "seed" and step.task != "ecal_stage4":
                extra = {**evidence.extra, **_relative(events.test, judged.outcomes[SUBJECT])}
                evidence = replace(evidence, extra=extra)
            path.write_text(evidence.to_json(), encoding="utf-8")
            if step.on:
                for name, finding in task.probes(settings, judged.estimators).items():
                    (folder / f"{key}-{name}.md").write_text(finding.table + "\n", encoding="utf-8")
                    finding.figure.savefig(folder / f"{key}-{name}.png", dpi=100)


def _relative(sample: Sample, judged: Residuals) -> dict[str, float]:
    """Compute core widths of the errors of x and y relative to the true distance from the window's corner.

    The window has 5 x 5 cells.
    """
    window = windows(*cell_arrays(sample), WINDOW, 0.0, cluster="corners")
    truth, numbers = truth_array(sample, 1)[:, 0], {}
    for index, (name, corner) in enumerate((("x", window.x0), ("y", window.y0))):
        core = resolution(judged.values[name][:, 0] / (truth[:, index] - corner))
        numbers[f"{SUBJECT}/{name}/relative"] = core.sigma
        numbers[f"{SUBJECT}/{name}/relative_err"] = core.sigma_err
    return numbers


def kept(folder: Path) -> dict[str, dict[str, Evidence]]:
    """Read the evidence by step and part; all parts of a step use the same events."""
    evidences: dict[str, dict[str, Evidence]] = {}
    for key in STEPS:
        paths = {name: folder / f"{key}-{name}.json" for name in PARTS}
        parts = {name: from_json(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}
        if len({evidence.facts.sha256 for evidence in parts.values()}) > 1:
            raise SystemExit(f"step {key}: its parts were judged on different events; run it again")
        if parts:
            evidences[key] = parts
        other = evidences.get(STEPS[key].on, {})
        if len({evidence.facts.sha256 for evidence in (*parts.values(), *other.values())}) > 1:
            raise SystemExit(
                f"step {key}: it was judged on other events than step {STEPS[key].on}; run it again"
            )
    return evidences


def resolutions(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Format core widths of every estimator as markdown, one line per quantity of a step."""
    names = [*COLUMNS, _STUDY, _OURS, "information limit", "ours / limit"]
    lines = [f"| stage | σ of | the study | {' | '.join(names)} |", "|---|---|" + (len(names) + 1) * "---|"]
    for key, parts in found.items():
        step, title = STEPS[key], STEPS[key].title
        # A run taken from the server has the limit beside its estimators.
        limit = parts.get(LIMIT) or found.get(step.on, {}).get(LIMIT) or parts.get("default")
        for quantity in next(iter(parts.values())).quantities:
            sources = [(parts.get("default"), name) for name in COLUMNS]
            sources += [(parts.get("seed"), SUBJECT), (parts.get("default"), SUBJECT), (limit, LIMIT)]
            rows = [_row(evidence, name, quantity.name) for evidence, name in sources]
            cells = ["–" if row is None else with_error(row.sigma, row.sigma_err) for row in rows]
            cells.append(_ratio(*rows[-2:]))
            label = {"energy": "E/E"}.get(quantity.name, f"{quantity.name} (cm)")
            lines.append(f"| {title} | {label} | {step.study.get(quantity.name, '')} | {' | '.join(cells)} |")
            title = ""
    return lines


def _row(evidence: Evidence | None, name: str, quantity: str) -> Resolution | None:
    return evidence.row(name, quantity) if evidence and name in evidence.estimators else None


def _ratio(above: Resolution | None, below: Resolution | None) -> str:
    """Format the ratio of two widths, with the error for independent ones, as a draw from the limit is."""
    if above is None or below is None:
        return "–"
    return _quotient(above.sigma, above.sigma_err, below.sigma, below.sigma_err)


def _rows(parts: Mapping[str, Evidence], fits: tuple[str, ...]) -> Iterator[tuple[Evidence, str, str]]:
    """Yield evidence of a step with the name of an estimator there and in the table."""
    sources = [("default", name, name) for name in fits]
    for part, name, label in [*sources, ("seed", SUBJECT, _STUDY), ("default", SUBJECT, _OURS)]:
        if part in parts and name in parts[part].estimators:
            yield parts[part], name, label


def relative(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Format widths of the study's network as markdown, in cm and relative to the corner distance."""
    lines = ["| stage | σ of | the study | here, in cm | here, relative |", "|---|---|---|---|---|"]
    for key, parts in found.items():
        title, numbers = STEPS[key].title, parts["seed"].extra if "seed" in parts else {}
        for name in "xy":
            if f"{SUBJECT}/{name}/relative" not in numbers:
                continue
            row = parts["seed"].row(SUBJECT, name)
            ratio = with_error(
                *(numbers[f"{SUBJECT}/{name}/{part}"] for part in ("relative", "relative_err"))
            )
            width, study = with_error(row.sigma, row.sigma_err), STEPS[key].study.get(name, "")
            lines.append(f"| {title} | {name} | {study} | {width} | {ratio} |")
            title = ""
    return lines


def failures(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Format the central 68 % of x and the share of failures, which cores do not show, as markdown."""
    lines = ["| stage | estimator | q68 x (cm) | failures |", "|---|---|---|---|"]
    for key, parts in found.items():
        title = STEPS[key].title
        for part, name in [
            *(("default", name) for name in COLUMNS),
            ("seed", SUBJECT),
            ("default", SUBJECT),
        ]:
            evidence = parts.get(part)
            if evidence is None or name not in evidence.estimators:
                continue
            row, share = evidence.row(name, "x"), evidence.count(name).failures
            label = (
                {"seed": "the study's network", "default": "our network"}[part] if name == SUBJECT else name
            )
            width = with_error(row.q68, row.q68_err)
            lines.append(f"| {title} | {label} | {width} | {100 * share.value:.2f} % |")
            title = ""
    return lines


def terms(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Format the terms of the resolution against energy as markdown."""
    lines = [
        "| stage | estimator | σ of | a (√GeV) | b (GeV) | c | χ²/ndf |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, parts in found.items():
        title = STEPS[key].title
        for part, name in [
            *(("default", name) for name in COLUMNS[2:]),
            ("seed", SUBJECT),
            ("default", SUBJECT),
        ]:
            if part not in parts:
                continue
            numbers = parts[part].extra
            estimator = (
                {"seed": "the study's network", "default": "our network"}[part] if name == SUBJECT else name
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
                lines.append(f"| {title} | {estimator} | {label} | {' | '.join(cells)} | {chi2:.1f} |")
                title = ""
    return lines


def whole(found: Mapping[str, Mapping[str, Evidence]]) -> list[str]:
    """Compare stage 4* with stage 4, the fits and the limit on the same pairs as markdown; else empty."""
    parts = {key: found.get(key, {}) for key in ("4-target", "4-whole")}
    if "default" not in parts["4-whole"]:
        return []
    ours = parts["4-whole"]["default"]
    rows = [(name, ours, name) for name in COLUMNS]
    rows += [
        (title, evidence, name)
        for title, evidence, name in (
            ("stage 4", parts["4-target"].get("default"), SUBJECT),
            ("stage 4*", ours, SUBJECT),
            ("information limit", parts["4-target"].get(LIMIT), LIMIT),
        )
        if evidence is not None
    ]
    lines = [
        "| | σ x (cm) | σ y (cm) | σ E/E | q68 x (cm) | q68 y (cm) | q68 E/E | failures | found |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for title, evidence, name in rows:
        widths = [evidence.row(name, quantity.name) for quantity in evidence.quantities]
        count = evidence.count(name)
        cells = [with_error(width.sigma, width.sigma_err) for width in widths]
        cells += [with_error(width.q68, width.q68_err) for width in widths]
        cells += [percent(share.value, share.low, share.high) for share in (count.failures, count.efficiency)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for title, other, name in rows:
        if title in ("stage 4", "information limit"):
            pairs = [
                (ours.row(SUBJECT, quantity.name), other.row(name, quantity.name))
                for quantity in ours.quantities
            ]
            cells = [_ratio(above, below) for above, below in pairs]
            cells += [_quotient(a.q68, a.q68_err, b.q68, b.q68_err) for a, b in pairs]
            lines.append(f"| stage 4* / {title} | {' | '.join(cells)} | | |")
    return lines


def _quotient(above: float, error: float, below: float, other: float) -> str:
    return with_error(above / below, above / below * math.hypot(error / above, other / below))


def counting(folder: Path) -> list[str]:
    """Read the markdown of the step that counts photons."""
    path = folder / "4-whole-counting.md"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _merged(old: list[str], new: list[str]) -> list[str]:
    """Merge new rows with those of steps that only the old table has, in the order of the ladder."""
    if old[:2] != new[:2]:
        return new
    groups = {**_by_step(old), **_by_step(new)}
    return new[:2] + [line for step in STEPS.values() for line in groups.get(step.title, [])]


def _by_step(table: list[str]) -> dict[str, list[str]]:
    """Group rows by the title of their step, which appears only in its first row."""
    groups: dict[str, list[str]] = {}
    title = ""
    for line in table[2:]:
        title = line.split("|")[1].strip() or title
        groups.setdefault(title, []).append(line)
    return groups


def _term(value: float, error: float) -> str:
    return with_error(value, error) if value > 0 else f"0 (< {error:.2g})"


def table(folder: Path, page: Path) -> None:
    """Write the tables between the marks of the page."""
    evidences, text = kept(folder), page.read_text("utf-8")
    by_step = {"ladder": resolutions, "relative": relative, "failures": failures, "terms": terms}
    for mark, build in by_step.items():
        text = _between(text, mark, lambda old, make=build: _merged(old, make(evidences)))  # type: ignore[misc]
    for mark, lines in (("whole", whole(evidences)), ("counting", counting(folder))):
        text = _between(text, mark, lambda old, lines=lines: lines or old)  # type: ignore[misc]
    page.write_text(text, encoding="utf-8")


def _between(text: str, mark: str, change: Callable[[list[str]], list[str]]) -> str:
    """Change the lines of a page between two marks."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    head, rest = text.split(begin)
    old, tail = rest.split(end)
    return head + begin + "\n".join(change(old.splitlines())) + "\n" + end + tail


def clusters(events: int = 20_000) -> list[str]:
    """Format the share of events whose cluster fits into the window as markdown, by stage and threshold."""
    thresholds = (0.1, 0.2, 0.5)
    lines = [f"| stage | {' | '.join(f'{value} GeV' for value in thresholds)} |", "|---|---|---|---|"]
    for key in ("1", "2", "3-2"):
        task = catalog.load(STEPS[key].task)
        sample = task.simulate(resolve(task.settings, task.presets, STEPS[key].given), events, 1)
        cells = cell_arrays(sample)
        fit = (windows(*cells, WINDOW, value, cluster="corners", larger="drop") for value in thresholds)
        shares = " | ".join(f"{100 * window.usable.mean():.1f} %" for window in fit)
        lines.append(f"| {STEPS[key].title} | {shares} |")
    return lines


def main(words: list[str]) -> int:
    """Run the command and return the exit code."""
    match words:
        case ["run", folder, *chosen] if set(chosen) <= set(STEPS):
            run(Path(folder), chosen)
        case ["take", folder, step, network, run_id] if step in STEPS and network in PARTS:
            (Path(folder) / f"{step}-{network}.json").write_text(recall(run_id).to_json(), encoding="utf-8")
        case ["clusters"]:
            print("\n".join(clusters()))
        case ["table", folder, page]:
            table(Path(folder), Path(page))
        case _:
            print(f"{__doc__}\nsteps: {', '.join(STEPS)}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
