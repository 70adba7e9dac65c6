"""A process that tries to promote its version whenever the others do; for the tests of the journal.

``python racer.py ADDRESS``: for each line ``<version> <champion>`` on stdin it tries to make the version
champion of the task ``race`` in place of that champion (0: none), and says ``won`` or ``lost``.
"""

from __future__ import annotations

import sys

from registry.database import opened
from registry.journal import Conflict, Journal

with opened(sys.argv[1]) as engine:
    journal = Journal(engine)
    print("ready", flush=True)
    for line in sys.stdin:
        version, champion = map(int, line.split())
        try:
            journal.promote("race", version, expected=champion or None, verdict="ab" * 32, details={})
            print("won", flush=True)
        except Conflict:
            print("lost", flush=True)
