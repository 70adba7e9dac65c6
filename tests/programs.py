"""The program in a process of its own, as a user starts it; it never outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PATIENCE", "ROOT", "program", "until"]

ROOT = Path(__file__).parents[1]
#: Seconds for what a process does on its way; below the time limit of a test, so that its output is seen.
PATIENCE = 150.0


@contextmanager
def program(*words: str, cwd: Path = ROOT, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """``shashlik WORDS`` inside the context; Ctrl-C reaches it even where these tests were told to ignore it.

    Parameters
    ----------
    words : str
        What follows the program's name.
    cwd : pathlib.Path
        Its working directory.
    variables : str
        Added to the environment.
    """
    # A signal that is ignored here would be ignored there.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "shashlik", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is true while a process runs; what cannot be found yet is not true."""
    deadline = time.monotonic() + PATIENCE
    while not _quietly(condition):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(
                f"it ended with {process.returncode}, and this was never true:\n{out}\n{err}"
            )
        time.sleep(0.25)


def _quietly(condition: Callable[[], object]) -> object:
    try:
        return condition()
    except (AssertionError, IndexError):
        return None
