"""A process that changes the champion whenever the others do; for the tests of journal and aliases.

``python racer.py ADDRESS``, where mlflow keeps its store too. For each line on stdin it tries what the line
says on the task ``race``, and says ``won`` or ``lost``: ``promote <version> <champion>`` makes a version
champion in place of that champion (0: none), ``rollback`` the champion before champion again.
"""

from __future__ import annotations

import os
import sys

os.environ["MLFLOW_TRACKING_URI"] = sys.argv[1]

from registry.gate.verdict import PROMOTE, Verdict
from registry.journal.champions import direct
from registry.journal.direct import Conflict, Journal
from tracking.database import opened


def verdict(version: int) -> Verdict:
    """One that allows the promotion."""
    return Verdict(PROMOTE, ("better",), (), "race", f"version {version}", "", "cd" * 32, "ef" * 32, 1)


with opened(sys.argv[1]) as engine:
    registry = direct(Journal(engine))
    registry.problems("race")
    print("ready", flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        try:
            if what == "promote":
                version, champion = map(int, numbers)
                registry.promote(verdict(version), version, champion or None, lambda folder: None)
            else:
                registry.rollback("race", None, "a race")
            print("won", flush=True)
        except Conflict:
            print("lost", flush=True)
