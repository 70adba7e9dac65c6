"""What a Dockerfile of this folder does, without Docker: the same files, install lines, variables, commands.

    python docker/rehearse.py docker/Dockerfile.server [--command WORD ...] [--freeze FILE]

Everything happens in a temporary folder with a fresh virtual environment. As root the command runs as the
user of the image, who may write nowhere but in the image's own places. A server is ended once its HEALTHCHECK
succeeds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Image:
    """What a Dockerfile says."""

    copies: list[list[str]] = field(default_factory=list)
    installs: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    user: int = 0
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def read(dockerfile: Path) -> Image:
    """The lines that matter; continued ones are joined."""
    image = Image()
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.M).replace("\\\n", " ")
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "COPY":
                image.copies.append(rest.split())
            case "RUN" if "pip install" in rest:
                image.installs.append(rest)
            case "ENV":
                image.variables |= dict(item.split("=", 1) for item in shlex.split(rest))
            case "USER":
                image.user = int(rest)
            case "HEALTHCHECK":
                image.health = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
    return image


def main() -> int:
    """Build, run, and say how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--command", nargs=argparse.REMAINDER, help="instead of that of the image")
    parser.add_argument("--freeze", type=Path, help="write the installed versions here, and run nothing")
    given = parser.parse_args()
    image = read(given.dockerfile)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        programs = build(image, folder, pinned=given.freeze is None)
        if given.freeze:
            freeze(programs, given.freeze)
            return 0
        return run(image, folder, programs, given.command or image.command)


def build(image: Image, folder: Path, pinned: bool) -> Path:
    """Copy and install; returns where the programs are."""
    code, state = folder / "opt", folder / "state"
    state.mkdir()
    if os.geteuid() == 0:
        os.chown(state, image.user, image.user)
    for *sources, target in image.copies:
        for source in sources:
            if target.startswith("/"):
                continue
            made = code / target / Path(source).name if target == "./" else code / target
            made.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, made)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    begin = time.monotonic()
    for line in image.installs:
        words = line if pinned else line.replace("--constraint constraints.txt", "")
        print(f"$ {words}", flush=True)
        environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        subprocess.run(["bash", "-euc", words], cwd=code, check=True, env=environment)
    print(f"installed in {time.monotonic() - begin:.0f} s", flush=True)
    return programs


def freeze(programs: Path, file: Path) -> None:
    """The installed versions as a constraints file."""
    names = subprocess.run([programs / "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    lines = [line for line in names.splitlines() if re.match(r"[\w.-]+==", line)]
    file.write_text(
        "# Versions in the images, written by `docker/rehearse.py docker/Dockerfile.trainer --freeze FILE`.\n"
        + "".join(f"{line}\n" for line in sorted(lines, key=str.lower))
    )
    print(f"{file}: {len(lines)} versions")


def run(image: Image, folder: Path, programs: Path, command: list[str]) -> int:
    """Run the command as the image does, until it ends or is healthy."""
    scratch = folder / "tmp"
    scratch.mkdir()
    scratch.chmod(0o1777)
    inside = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("MLFLOW_", "PG", "AWS_", "SHASHLIK_"))
    }
    places = {"/tmp": str(scratch), "/var/lib/shashlik": str(folder / "state")}
    for name, value in image.variables.items():
        for old, new in places.items():
            value = value.replace(old, new)
        inside.setdefault(name, value)
    inside |= {"PATH": f"{programs}:/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(scratch)}
    words = [*(str(ROOT / "docker" / "entrypoint.sh") for _ in image.entrypoint), *command]
    print(f"$ {shlex.join(words)}", flush=True)
    begin = time.monotonic()
    as_user = {"user": image.user, "group": image.user, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        subprocess.run([programs / "python", "-c", ""], check=True, cwd="/", **as_user)
    except (OSError, subprocess.CalledProcessError):
        # An interpreter in somebody's home is not for others.
        print(f"{sys.executable} is not for user {image.user}: the command runs as you", flush=True)
        as_user = {}
    process = subprocess.Popen(words, cwd=folder / "state", env=inside, start_new_session=True, **as_user)
    try:
        while process.poll() is None:
            if image.health and command == image.command:
                healthy = subprocess.run(image.health, env=inside, capture_output=True, cwd="/")
                if healthy.returncode == 0:
                    print(f"healthy after {time.monotonic() - begin:.0f} s", flush=True)
                    process.terminate()
                    code = process.wait(60)
                    print(f"ended with exit code {code} after SIGTERM", flush=True)
                    return 0
            time.sleep(1)
        print(f"ended with exit code {process.returncode} after {time.monotonic() - begin:.0f} s", flush=True)
        return process.returncode
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
