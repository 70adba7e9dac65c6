"""Evidence as a folder of files and as the description of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from tracking.evidence import predictions, residual_table
from tracking.evidence.predictions import PredictionTable
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import AnyEvidence
from tracking.report import rendering
from tracking.report.links import address

__all__ = ["RESOLUTION", "description", "joined", "write"]

#: Dots per inch at which the widest figure fits the page of a run.
RESOLUTION = 90


def write(
    folder: Path,
    evidence: AnyEvidence,
    figures: Mapping[str, Figure],
    answers: PredictionTable | None = None,
    findings: Mapping[str, str] | None = None,
    residuals: ResidualTable | None = None,
) -> None:
    """Write evidence (``evidence.json``, ``tables.md``, optional ``*.parquet``) and figures to a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Target folder; created if necessary.
    evidence : AnyEvidence
        The result.
    figures : mapping of str to Figure
        Figures by file name without extension.
    answers : PredictionTable, optional
        Predictions event by event.
    findings : mapping of str to str, optional
        Markdown from the task, written to ``evidence/<name>.md``.
    residuals : ResidualTable, optional
        Residuals object by object.
    """
    for name in ("evidence", "figures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "evidence" / "evidence.json").write_text(evidence.to_json())
    (folder / "evidence" / "tables.md").write_text(rendering.markdown(evidence))
    for name, text in (findings or {}).items():
        (folder / "evidence" / f"{name}.md").write_text(text)
    if answers is not None:
        predictions.write(answers, folder / "evidence" / "predictions.parquet")
    if residuals is not None:
        residual_table.write(residuals, folder / "evidence" / "residuals.parquet")
    for name, figure in figures.items():
        figure.savefig(folder / "figures" / f"{name}.png", dpi=RESOLUTION)


def description(
    evidence: AnyEvidence, figures: Sequence[str], run_id: str, longest: int, findings: Sequence[str] = ()
) -> str:
    """Write markdown of at most `longest` characters: headline tables, findings, as many figures as fit."""
    task = evidence.facts.task
    pages = {
        "Leaderboard": address("leaderboard", task),
        "compare this run": address("compare", task, item=run_id),
        "journal": address("model", task),
    }
    links = " · ".join(f"[{words}]({link})" for words, link in pages.items())
    # The UI folds a description after two lines, and folded links cannot be clicked: the links come first.
    blocks = [links, *rendering.headline(evidence), *findings]
    return joined(blocks, figures, run_id, longest, "Bin by bin: artifact `evidence/tables.md`.")


def joined(blocks: Sequence[str], figures: Sequence[str], run_id: str, longest: int, last: str) -> str:
    """Join blocks of markdown and figures of the run, as many as fit before `last`."""
    blocks = [
        *blocks,
        *(f"![{name}](/get-artifact?path=figures/{name}.png&run_uuid={run_id})" for name in figures),
    ]
    text = ""
    for block in blocks:
        if len(text) + len(block) + 2 + len(last) > longest:
            break
        text += f"{block}\n\n"
    return text + last
