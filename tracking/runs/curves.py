"""Live curves: frequent values, sent in batches by a background thread.

Training must neither wait for a tracking server nor fail with it. A thread sends the points about once a
second. Points that cannot be sent wait in memory.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Curves", "Point"]

#: Largest number of points kept while the store does not answer; beyond it the oldest are lost.
MOST_WAITING = 100_000


@dataclass(frozen=True)
class Point:
    """Point of a curve; `time` is in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


class Curves:
    """Batched sender of points.

    Parameters
    ----------
    send : callable
        Function that stores a batch of at most `batch` points, or raises.
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
        """Add the points of one step; names of values that are not finite go to `nonfinite` instead."""
        milliseconds = int(1000 * time.time())
        for key, value in values.items():
            curve = f"{name}/{key}"
            if not math.isfinite(value):
                self.nonfinite.add(curve)
                continue
            with self._lock:
                self._waiting.append(Point(curve, float(value), int(step), milliseconds))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="curves", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Send the waiting points from this thread; after a failure they keep waiting."""
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
        """Send the waiting points within `patience` seconds; `trouble` says why any are missing."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(patience)
            if self._thread.is_alive():
                self.trouble = self.trouble or "the store does not answer"

    def _run(self) -> None:
        while not self._closing.wait(self._period):
            self.flush()
        self.flush()
