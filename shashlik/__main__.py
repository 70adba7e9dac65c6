"""Command line: ``shashlik <command>``, the same as ``python -m shashlik <command>``.

This module combines tasks, tracking and registry. No other module imports it.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from shashlik.cli import ablation, registry, search, server, store
from shashlik.exceptions import BadInput

__all__ = ["main"]

#: Exit codes besides 0 and 128 + signal: failure, unusable input, Ctrl-C.
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
#: Expected failures by the module that defines them. Only loaded modules are checked, as light commands must
#: not wait for mlflow or TensorFlow.
EXPECTED = {
    "shashlik.export.parity": "Disagrees",
    "shashlik.estimators.training": "Diverged",
    "tracking.database": "Unreachable",
    "registry.journal.direct": "Conflict",
    "registry.journal.webhook": "Undelivered",
    "tracking.runs.lifecycle": "CannotRecord",
    "tracking.exceptions": "Refused",
}
#: Out of space: on the device, in the user's quota, for a file of this size.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Defaults that the user can override: no TensorFlow messages about its graphs and no progress bars of tiny
#: downloads, which would hide the output of the run, and no telemetry.
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Door(click.Group):
    """Command group that reports expected failures in one line on stderr, with a non-zero exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadInput as error:
            click.echo(f"shashlik: {error}", err=True)
            ctx.exit(BAD_INPUT)
        except KeyboardInterrupt:
            click.echo("shashlik: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if (line := _expected(error)) is None:
                raise
            click.echo(f"shashlik: {line}", err=True)
            ctx.exit(FAILED)
        except SystemExit as error:
            # Only an exit by a signal has a name; its handler has closed the run.
            if (signal := getattr(error, "name", None)) is not None:
                click.echo(f"shashlik: terminated by {signal}", err=True)
            raise


def _expected(error: Exception) -> str | None:
    """Return the one-line message of an expected failure, None for any other."""
    for module, name in EXPECTED.items():
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return str(error)
    if type(error).__module__.partition(".")[0] in ("boto3", "botocore"):
        reason = " ".join(str(error).split())
        return f"the store of artifacts failed ({reason}): does it answer, and are its credentials right?"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"cannot write {error.filename or 'a file'}: {error.strerror}; free some disk space"
    return None


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shashlik")
def main() -> None:
    """Experiment tracking for particle physics, built around a model registry that judges by evidence."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


for command in (*search.COMMANDS, *ablation.COMMANDS, *registry.COMMANDS, *server.COMMANDS, *store.COMMANDS):
    main.add_command(command)


@main.command()
@click.argument("name", required=False)
def tasks(name: str | None) -> None:
    """List the tasks, or describe the one called NAME with its parameters and presets."""
    from shashlik.task import catalog
    from shashlik.task.settings import describe

    if name is None:
        for entry in catalog.names():
            click.echo(f"{entry:24} {catalog.load(entry).title}")
        return
    task = catalog.load(name)
    click.echo(f"{task.name}: {task.title}\n\n{task.description}\n\n{describe(task.settings, task.presets)}")


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("task")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def run(task: str, parameters: tuple[str, ...]) -> None:
    """Run TASK: read or simulate events, fit, judge, record, register.

    PARAMETERS: --name value, see 'tasks'.
    """
    if {"-h", "--help"} & {task, *parameters}:
        click.echo(click.get_current_context().get_help())
        return
    from shashlik.evaluation.run import run as run_task

    run_task(task, parameters)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("task")
@click.argument("raw", metavar="FILE")
@click.option("--events", default=20_000, show_default=True, help="How many events to make.")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def simulate(task: str, raw: str, events: int, parameters: tuple[str, ...]) -> None:
    """Simulate events of TASK into the ROOT file FILE. PARAMETERS: --name value, see 'tasks'.

    Where FILE is a folder (or ends with a slash), a task that keeps its processes apart writes one file
    for each.
    """
    from shashlik.task import catalog, rootio
    from shashlik.task.settings import parse, resolve

    file = Path(raw)
    if events < 1:
        raise BadInput(f"--events {events} is out of range; it must be at least 1")
    definition = catalog.load(task)
    settings = resolve(definition.settings, definition.presets, parse(parameters))
    several = file.is_dir() or raw.endswith(("/", os.sep))
    if several and definition.files is None:
        raise BadInput(
            f"{file} is a folder, and {task} writes one file: name it, for example {file / 'events.root'}"
        )
    sample = definition.simulate(settings, events, settings.seed)
    parts = {file: sample}
    if several and definition.files is not None:
        parts = {
            file / f"{name}.root": sample.select(rows) for name, rows in definition.files(sample).items()
        }
    for path, part in parts.items():
        try:
            rootio.write(part, path)
        except OSError as error:
            if error.errno in FULL:
                raise
            raise BadInput(f"cannot write {path}: {error.strerror}; choose another place") from error
        click.echo(f"{path}: {len(part)} events, sha256 {part.sha256}")


@main.command()
def setup() -> None:
    """Let 'mlflow run' on this clone use the running Python environment instead of building another."""
    from tracking.environment import adopt, unmet

    project = Path.cwd()
    try:
        if missing := unmet(project):
            raise BadInput(f"this environment lacks {', '.join(missing)}: run 'pip install -e .' first")
        script = adopt(project)
    except FileNotFoundError as error:
        raise BadInput(str(error)) from None
    click.echo(f"'mlflow run' in {project} will use {sys.prefix} (written: {script})")


@main.command()
@click.option("--check", is_flag=True, help="Only say whether the file is up to date.")
@click.option(
    "--image", default="", help="Write docker/kubernetes/MLproject instead, whose runs use this image."
)
def mlproject(check: bool, image: str) -> None:
    """Write the file MLproject from the tasks below this folder."""
    from shashlik.cli.mlproject import render

    file = Path("docker/kubernetes/MLproject") if image else Path("MLproject")
    if not file.parent.is_dir():
        raise BadInput(f"no folder {file.parent.resolve()}: run this in a clone of Shashlik")
    text = render(image)
    if check:
        if not file.exists() or file.read_text() != text:
            raise BadInput("MLproject is stale: run 'shashlik mlproject'")
        click.echo("MLproject is up to date")
        return
    file.write_text(text)
    click.echo(f"wrote {file.resolve()}")


@main.command(context_settings={"ignore_unknown_options": True}, hidden=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def unquoted(words: tuple[str, ...]) -> None:
    """Give the command WORDS, which mlflow quotes for a shell that in Kubernetes is not there."""
    main(["".join(shlex.split(word)) for word in words], prog_name="shashlik")


if __name__ == "__main__":
    # Of use in logs and job lists, where `python -m shashlik` would call itself __main__.py.
    main(prog_name="shashlik")
