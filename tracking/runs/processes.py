"""Unambiguous names of processes, to check whether the process behind a name still runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["lives", "signature"]


def signature(pid: int) -> str:
    """Build ``host:pid:birth`` of a process; without its birth a reused pid would be ambiguous.

    The birth is in ticks since the machine started, and empty if the system does not report it.
    """
    try:
        # It is the 20th entry after the program's name, which is in brackets and may contain anything.
        birth = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        birth = ""
    return f"{socket.gethostname()}:{pid}:{birth}"


def lives(process: str) -> bool:
    """Check whether the process with this `signature` may still run; unknown on other machines, so True."""
    if not process:
        return False
    host, number, _ = process.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It belongs to another user, so it exists.
    return signature(int(number)) == process
