"""The one door: ``shashlik <command>``, the same as ``python -m projects <command>``.

It composes tasks, tracking and registry, and is imported by nothing.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from projects.commands import declared, searching, serving
from projects.task import BadInput

__all__ = ["main"]

#: Exit codes beside 0 and 128 + signal: failed on the way, the input cannot be used, Ctrl-C.
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
#: What fails beside input, by the modules that raise it; they are loaded by then, for the light commands must
#: not wait for mlflow or TensorFlow.
EXPECTED = {
    "projects.parity": "Disagrees",
    "projects.training": "Diverged",
    "tracking.database": "Unreachable",
    "registry.journal": "Conflict",
    "tracking.runs": "CannotRecord",
}
#: No room: on the device, in the user's quota, for a file of this size.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Unless the user sets them: TensorFlow's remarks on its own graphs and progress bars of tiny downloads hide
#: what the run says, and nothing is sent about who runs what.
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Door(click.Group):
    """Commands whose expected failures end in one line on stderr and a non-zero exit code."""

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
            # A signal has a name, and whoever raised it has closed its run; others answer by an exit code.
            if (signal := getattr(error, "name", None)) is not None:
                click.echo(f"shashlik: terminated by {signal}", err=True)
            raise


def _expected(error: Exception) -> str | None:
    """The one line of a failure that is nobody's mistake in the program."""
    for module, name in EXPECTED.items():
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return f"cannot write {error.filename or 'a file'}: {error.strerror}; free some disk space"
    return None


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shashlik")
def main() -> None:
    """Experiment tracking for particle physics, built around a model registry that judges by evidence."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


for command in (*searching.COMMANDS, *declared.COMMANDS, *serving.COMMANDS):
    main.add_command(command)


@main.command()
@click.argument("name", required=False)
def tasks(name: str | None) -> None:
    """List the tasks, or describe the one called NAME with its parameters and presets."""
    from projects import catalog
    from projects.settings import describe

    if name is None:
        for known in catalog.names():
            click.echo(f"{known:24} {catalog.load(known).title}")
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
    from projects.run import run as run_task

    run_task(task, parameters)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("task")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--events", default=20_000, show_default=True, help="How many events to make.")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def simulate(task: str, file: Path, events: int, parameters: tuple[str, ...]) -> None:
    """Simulate events of TASK into the ROOT file FILE. PARAMETERS: --name value, see 'tasks'."""
    from projects import catalog, rootio
    from projects.settings import parse, resolve

    if events < 1:
        raise BadInput(f"--events {events} is out of range; it must be at least 1")
    chosen = catalog.load(task)
    settings = resolve(chosen.settings, chosen.presets, parse(parameters))
    sample = chosen.simulate(settings, events, settings.seed)
    try:
        rootio.write(sample, file)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInput(f"cannot write {file}: {error.strerror}; choose another place") from error
    click.echo(f"{file}: {len(sample)} events, sha256 {sample.sha256}")


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
def mlproject(check: bool) -> None:
    """Write the file MLproject from the tasks in the catalog."""
    from projects.mlproject import render

    file, wanted = Path("MLproject"), render()
    if check:
        if not file.exists() or file.read_text() != wanted:
            raise BadInput("MLproject is stale: run 'shashlik mlproject'")
        click.echo("MLproject is up to date")
        return
    file.write_text(wanted)
    click.echo(f"wrote {file.resolve()}")


if __name__ == "__main__":
    # Of use in logs and job lists, where `python -m projects` would call itself __main__.py.
    main(prog_name="shashlik")
