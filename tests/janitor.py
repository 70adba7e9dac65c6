"""Clean up behind a process that runs tests, however it ends.

Run as a program it waits until the pipe on its standard input closes, which the operating system does even
for a process that was killed. Then it ends every process whose environment carries the mark (servers,
databases and browsers that tests started, and whatever these started), and removes the folder for temporary
files unless it reads "keep" from the pipe.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import psutil

__all__ = ["Janitor"]

MARK = "SHASHLIK_TESTS"
#: Seconds for an orderly end, and seconds until the janitor gives up.
POLITE, PATIENCE = 5.0, 30.0


class Janitor:
    """A process that outlives this one and cleans up behind it.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Removed at the end.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Inherited by all that this process starts from now on; its own initial environment stays unmarked.
        os.environ[MARK] = mark = uuid4().hex
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        self._process = subprocess.Popen(
            [sys.executable, __file__, mark, str(folder or "")],
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def dismiss(self, keep: bool = False) -> None:
        """Clean up now, and return when it is done; with `keep`, leave the folder."""
        self._process.communicate(b"keep" if keep else b"")


def marked(mark: str) -> list[psutil.Process]:
    """All living processes that carry the mark."""
    bearers = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                bearers.append(process)
        except (psutil.Error, OSError):
            continue  # It ended meanwhile, or belongs to somebody else.
    return bearers


def clean(mark: str) -> None:
    """End the processes that carry the mark and say which they were."""
    begun = time.monotonic()
    reported: set[int] = set()
    while (bearers := marked(mark)) and time.monotonic() - begun < PATIENCE:
        polite = time.monotonic() - begun < POLITE
        for process in bearers:
            try:
                if process.pid not in reported:
                    reported.add(process.pid)
                    command = " ".join(process.cmdline())[:150]
                    print(f"ended process {process.pid}: {command}", file=sys.stderr)
                    process.terminate()
                elif not polite:
                    process.kill()
            except psutil.Error:
                continue
        time.sleep(0.1)


if __name__ == "__main__":
    message = sys.stdin.buffer.read()
    clean(sys.argv[1])
    if sys.argv[2] and message != b"keep":
        shutil.rmtree(sys.argv[2], ignore_errors=True)
