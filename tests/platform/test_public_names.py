"""What a task of one's own imports from shashlik."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import shashlik

FRONTS = (
    "shashlik",
    "shashlik.evaluation.evidence",
    "shashlik.figures",
    "shashlik.statistics",
    "shashlik.task.rule",
)


@pytest.mark.parametrize("name", FRONTS)
def test_every_name_is_there(name: str) -> None:
    front = importlib.import_module(name)
    assert set(front.__all__) == set(dir(front))
    for offered in front.__all__:
        assert getattr(front, offered) is not None
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        front.nothing  # noqa: B018


def test_the_vocabulary_of_a_task() -> None:
    """A name that is left out breaks somebody's task: this list only grows."""
    assert set(shashlik.__all__) >= {
        "BadInput",
        "Bench",
        "Binning",
        "Check",
        "Choice",
        "Column",
        "Criteria",
        "Estimator",
        "Finding",
        "Nested",
        "Portable",
        "Predictions",
        "Published",
        "Quantity",
        "Range",
        "Residuals",
        "Rule",
        "RunSettings",
        "Sample",
        "Schema",
        "ScoreRule",
        "Scores",
        "Space",
        "Statement",
        "Study",
        "Task",
        "Variant",
        "setting",
    }


def test_importing_them_loads_nothing_heavy() -> None:
    code = f"import sys, {', '.join(FRONTS)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"keras", "matplotlib", "mlflow", "numba", "numpy", "tensorflow"}
    assert not {name.partition(".")[0] for name in done.stdout.split()} & heavy
