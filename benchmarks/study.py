"""Write finished ablations into a page: the findings, table and figure of each.

``python -m benchmarks.study docs/study.md TASK=RUN_ID ...`` writes them between the marks of the page, from
the records of ``shashlik study TASK`` on the tracking server.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mlflow

from shashlik.ablation.summary import CAPTION
from shashlik.ablation.training import SECONDS
from tracking.runs.reader import look


def blocks(run_id: str, figure: str) -> list[str]:
    """Format the record of an ablation as markdown."""
    run, parts = look(run_id), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("findings", "table"):
            path = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/study/{name}.md", dst_path=folder)
            parts[name] = Path(path).read_text(encoding="utf-8")
    outcome = run.tags["mlflow.note.content"].partition("\n")[0]
    time = f"All trainings took {run.metrics[SECONDS] / 60:.0f} minutes of processor time."
    return [outcome, parts["findings"], parts["table"], CAPTION, time, f"![Widths and ratios]({figure})"]


def write(page: Path, chosen: list[tuple[str, str]]) -> None:
    """Write the ablations of `chosen`, pairs of task and run, into the page, with their figures beside it."""
    text = page.read_text(encoding="utf-8")
    for task, run_id in chosen:
        figure = page.parent / "figures" / f"study_{task}.png"
        with tempfile.TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/figures/study.png", dst_path=folder)
            figure.write_bytes(Path(path).read_bytes())
        begin, end = f"<!-- {task} -->\n", f"<!-- end of {task} -->"
        head, rest = text.split(begin)
        body = "\n\n".join(blocks(run_id, f"figures/{figure.name}"))
        text = f"{head}{begin}\n{body}\n\n{end}{rest.split(end)[1]}"
    page.write_text(text, encoding="utf-8")


def main(words: list[str]) -> int:
    """Run the command and return the exit code."""
    ablations = [(task, run_id) for task, _, run_id in (word.partition("=") for word in words[1:])]
    if not ablations or not all(run_id for _, run_id in ablations):
        print(__doc__, file=sys.stderr)
        return 2
    write(Path(words[0]), ablations)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
