"""Names of processes that stay right: whether the one that wrote a name is still at work."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["lives", "signature"]


def signature(pid: int) -> str:
    """``host:pid:birth`` of a process; without its birth, a number that is used again would mislead.

    The birth is in ticks since the machine started, and empty where the system does not tell it.
    """
    try:
        # Behind the program's name, which stands in brackets and may hold anything, it is the 20th entry.
        birth = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        birth = ""
    return f"{socket.gethostname()}:{pid}:{birth}"


def lives(process: str) -> bool:
    """Whether the process of this `signature` may still be at work; of other machines we cannot know."""
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
        pass  # It belongs to somebody else, so it is there.
    return signature(int(number)) == process
