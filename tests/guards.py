"""What every process that runs tests stands under, so that nothing hangs and nothing is left behind.

- Temporary files lie in one folder, which is removed at the end unless a test failed.
- A `janitor` ends servers, databases and browsers of a process that died.
- A test that fills the memory gets a `MemoryError` and not the whole machine.
- A stray SIGTERM fails the test that was running, with the stacks of all threads.
- A thread of ours that outlives its test fails the test.

Time limits are pytest's own and pytest-timeout's, in pyproject.toml.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from janitor import Janitor

#: Bytes that one process, or one that it starts, may allocate: three times what the largest test needs.
MEMORY = 8 * 2**30
PACKAGES = ("benchmarks", "projects", "registry", "shashlik", "tracking")

_JANITOR = pytest.StashKey[Janitor]()
_FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    worker = hasattr(config, "workerinput")
    folder = None
    if not worker:
        folder = Path(tempfile.mkdtemp(prefix="shashlik-tests-"))
        folder.chmod(0o711)  # PostgreSQL runs as another user where root runs the tests.
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None
    config.stash[_JANITOR] = Janitor(folder)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, most))
    if worker:
        signal.signal(signal.SIGTERM, _terminated)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_FAILED] = exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def pytest_unconfigure(config: pytest.Config) -> None:
    keep = config.stash.get(_FAILED, False)
    if keep and not hasattr(config, "workerinput"):
        print(f"files of the failed tests are kept in {tempfile.gettempdir()}")
    config.stash[_JANITOR].dismiss(keep)


def _terminated(number: int, frame: FrameType | None) -> None:
    faulthandler.dump_traceback(sys.__stderr__)
    name = signal.Signals(number).name
    pytest.fail(f"this process was sent {name}; the stacks of all its threads are above")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    while left := [thread for thread in threading.enumerate() if thread not in before and _ours(thread)]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads outlive the test that started them: {left}")
        time.sleep(0.02)


def _ours(thread: threading.Thread) -> bool:
    module = getattr(getattr(thread, "_target", None), "__module__", None) or ""
    return module.partition(".")[0] in PACKAGES
