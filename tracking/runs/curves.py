"""Live curves: values that arrive quickly, sent in batches from the side.

Training must neither wait for a tracking server nor die with it. Points are sent about once a second by a
thread; while they cannot be sent they wait in memory.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Curves", "Point"]

#: Points kept while the store does not answer; of a longer silence the oldest are lost.
MOST_WAITING = 100_000


@dataclass(frozen=True)
class Point:
    """One point of a curve; `time` is in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


class Curves:
    """Sends points in batches.

    Parameters
    ----------
    send : callable
        Stores a batch of at most `batch` points, or raises.
    period : float
        Seconds between two batches.
    """

    def __init__(
        self, send: Callable[[Sequence[Point]], None], period: float = 1.0, batch: int = 1000
    ) -> None:
        self._send, self._period, self._batch = send, period, batch
        self._waiting: deque[Point] = deque(maxlen=MOST_WAITING)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.nonfinite: set[str] = set()
        self.trouble = ""

    def add(self, name: str, values: Mapping[str, float], step: int) -> None:
        """Points of one step; those that are not finite are left out and their names kept in `nonfinite`."""
        now = int(1000 * time.time())
        for key, value in values.items():
            full = f"{name}/{key}"
            if not math.isfinite(value):
                self.nonfinite.add(full)
                continue
            with self._lock:
                self._waiting.append(Point(full, float(value), int(step), now))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="curves", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Send what waits, now and from here; after a failure it goes on waiting."""
        with self._sending:
            while self._waiting:
                with self._lock:
                    batch = [self._waiting[i] for i in range(min(self._batch, len(self._waiting)))]
                try:
                    self._send(batch)
                except Exception as error:
                    self.trouble = str(error).strip().split("\n")[0] or type(error).__name__
                    return
                self.trouble = ""
                with self._lock:
                    for _ in batch:
                        self._waiting.popleft()

    def close(self, patience: float = 30.0) -> None:
        """Send what waits, for `patience` seconds at most; then `trouble` says why points are missing."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(patience)
            if self._thread.is_alive():
                self.trouble = self.trouble or "the store does not answer"

    def _run(self) -> None:
        while not self._closing.wait(self._period):
            self.flush()
        self.flush()
