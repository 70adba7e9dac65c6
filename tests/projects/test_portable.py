"""Modules joined into one file do what they did apart."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shashlik.estimators.portable import join


def module(folder: Path, name: str, source: str) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


BASE = """\
from __future__ import annotations
import math
__all__ = ["area"]

def area(r):
    return math.pi * r**2
"""
TOP = """\
from my_lab.circle import area
import numpy as np

@staticmethod
def unused():
    pass

def load(files):
    return lambda columns: {"a": area(np.asarray(columns["r"]))}
"""


def test_the_joined_file_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = module(tmp_path, "my_lab.circle", BASE)
    monkeypatch.setitem(sys.modules, "my_lab.circle", first)
    second = module(tmp_path, "my_lab.door", TOP)
    path = join([first, second], tmp_path / "out")
    assert "import area" not in path.read_text()
    joined = module(tmp_path / "out", "estimator", path.read_text())
    assert joined.load({})({"r": [2.0]})["a"] == pytest.approx(first.area(2.0))


def test_two_owners_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = (module(tmp_path, name, "SIZE = 3\n") for name in ("one", "two"))
    with pytest.raises(ValueError, match="both define 'SIZE'"):
        join([one, two], tmp_path)
