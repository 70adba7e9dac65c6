"""Tests that crash, hang, fill the memory or leak fail with their name, and the others go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

TESTS = Path(__file__).parents[1]
#: Other plugins that are installed would take longer to load than the tests take.
PLUGINS = ("-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
#: What goes wrong, and what must stand in the report.
BAD = {
    "aborts": ("import os; os.abort()", "crashed while running"),
    "sleeps": ("import time; time.sleep(600)", "Timeout"),
    "hangs": (
        "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}); time.sleep(600)",
        "crashed while running",
    ),
    "fills": ("import numpy; filled = [numpy.zeros(2**25) for _ in range(1000)]", "MemoryError"),
    "terminated": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was sent SIGTERM"),
    "thread": (
        "import threading, time\n    def waits(): time.sleep(60)\n    waits.__module__ = 'projects'\n"
        "    threading.Thread(target=waits, daemon=True).start()",
        "threads outlive the test",
    ),
}
LEAVES = """
import os, subprocess, sys, tempfile

def test_leaves():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    tempfile.mkdtemp()
    open(os.environ["PID"], "w").write(str(child.pid))
    os.abort()
"""


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A test session of its own on the tests in `folder`, under our guards."""
    (folder / "conftest.py").write_text("pytest_plugins = ('guards',)\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\ntimeout = 4\nfaulthandler_timeout = 8\nfaulthandler_exit_on_timeout = true\n"
    )
    outer = ("PYTEST_", "SHASHLIK_TESTS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, "-n", "2", "--dist", "worksteal", *words],
        cwd=folder,
        env={**environment, **ALONE, "PYTHONPATH": str(TESTS), **variables},
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_what_goes_wrong_is_a_failure_with_a_name_and_the_others_go_on(tmp_path: Path) -> None:
    for name, (code, _) in BAD.items():
        (tmp_path / f"test_{name}.py").write_text(
            f"def test_before(): pass\ndef test_{name}():\n    {code}\ndef test_after(): pass\n"
        )
    done = run(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    # What a test leaves behind is told at its end, when it has passed already.
    assert f"{len(BAD) - 1} failed, {2 * len(BAD) + 1} passed, 1 error" in done.stdout
    for name, (_, wanted) in BAD.items():
        report = done.stdout.partition(f"test_{name}")[2].partition("______ ")[0]
        assert wanted in report, done.stdout
        assert re.search(rf"^(FAILED|ERROR) test_{name}.py::test_{name} - ", done.stdout, re.M)
    # A crash and a hang leave the stacks.
    assert done.stderr.count("most recent call first") >= 2


def test_what_a_crashed_test_started_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "test_leaves.py").write_text(LEAVES)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = run(tmp_path, PID=str(tmp_path / "pid"), TMPDIR=str(temporary))
    assert "1 failed" in done.stdout
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "ended process" in done.stderr
    # What failed may be looked at; what did not, is gone.
    assert "files of the failed tests are kept in" in done.stdout
    (tmp_path / "test_leaves.py").write_text("def test_good(tmp_path): pass\n")
    for kept in temporary.iterdir():
        kept.rename(tmp_path / kept.name)
    assert run(tmp_path, TMPDIR=str(temporary)).returncode == 0
    assert not list(temporary.iterdir())


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_guards_are_on_here() -> None:
    limits = Path("/proc/self/limits").read_text()
    assert re.search(r"^Max data size +\d+", limits, re.M)
