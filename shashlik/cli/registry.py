"""Command line of the registry, for console and ``mlflow run``; `shashlik.commands` implements it.

This module declares the commands and imports nothing heavy; each command imports its own dependencies.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shashlik.exceptions import BadInput

__all__ = [
    "COMMANDS",
    "baselines",
    "candidates",
    "champion",
    "compare",
    "doctor",
    "export",
    "freeze",
    "history",
    "imports",
    "predict",
    "promote",
    "rerun",
    "rollback",
]


class _Maybe(click.ParamType):
    """Parameter type that maps an empty text to None, as ``mlflow run`` passes every parameter."""

    def __init__(self, kind: type) -> None:
        self.kind, self.name = kind, kind.__name__

    def convert(self, value, param, ctx):
        if value is None or value == "":
            return None
        try:
            return self.kind(value)
        except ValueError:
            raise BadInput(f"{param.human_readable_name}={value!r} is not a {self.name}") from None


TEXT, WHOLE, PLACE = _Maybe(str), _Maybe(int), _Maybe(Path)


def _words(texts: tuple[str, ...]) -> list[str]:
    """Split arguments that may also arrive as one, separated by commas or blanks, from ``mlflow run``."""
    return [word for text in texts for word in text.replace(",", " ").split()]


@click.command()
@click.argument("task")
@click.option("--all", "everything", is_flag=True, help="List baselines too.")
def candidates(task: str, everything: bool) -> None:
    """List the versions of TASK with their resolutions, verdicts and roles."""
    from shashlik.commands import listing
    from shashlik.commands.session import session

    with session(task) as (definition, registry):
        click.echo(listing.candidates(registry, definition, everything))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("task")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def baselines(task: str, parameters: tuple[str, ...]) -> None:
    """Fit the classical methods of TASK and register them. PARAMETERS: --name value, see 'tasks'."""
    from shashlik.commands import baselines as work
    from shashlik.commands.session import session

    with session(task) as (_, registry):
        work.register(registry, task, parameters, click.echo)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("task")
@click.option("--data", type=TEXT, help="ROOT files instead of the simulation: paths, globs or URLs.")
@click.option("--events", type=WHOLE, help="How many events.  [default: as many as the rule of TASK needs]")
@click.option("--seed", type=WHOLE, help="Seed of the simulation.  [default: 1]")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def freeze(
    task: str, data: str | None, events: int | None, seed: int | None, parameters: tuple[str, ...]
) -> None:
    """Make the next frozen sample of TASK, on which candidates are judged."""
    from shashlik.commands import freeze as work
    from shashlik.commands.session import session

    with session(task) as (_, registry):
        sample = work.freeze(
            registry, task, data or "", events, work.SEED if seed is None else seed, parameters
        )
    click.echo(
        f"frozen sample {sample.version} of {task}: {sample.events} events of {sample.source}, "
        f"sha256 {sample.sha256}"
    )


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--task", type=TEXT, help="Whose models; not needed where there is one task.")
@click.option("--out", type=PLACE, help="Folder for figures and evidence.")
def compare(models: tuple[str, ...], task: str | None, out: Path | None) -> None:
    """Compare MODELS (versions, aliases, ids of runs) on the frozen sample; the first with all others."""
    from shashlik.commands import compare as work
    from shashlik.commands.session import session, sole_task
    from tracking.report.rendering import terminal

    with session(sole_task(task)) as (definition, registry):
        click.echo(terminal(work.compare(registry, definition, _words(models), out, click.echo)))


@click.command()
@click.argument("task")
@click.option("--model", type=TEXT, help="The candidate: version, alias or run.  [default: the newest]")
@click.option("--look", is_flag=True, help="Only judge, promote nothing.")
@click.option("--seeds", type=WHOLE, help="Trainings of other seeds to show the scatter of.  [default: 3]")
def promote(task: str, model: str | None, look: bool, seeds: int | None) -> None:
    """Judge a candidate of TASK against champion and baselines; if it is better it becomes champion.

    The exit code is 0 if it did; under 'mlflow run', whose run would be FAILED, after every verdict.
    """
    from registry.gate.card import terminal
    from registry.models import lineage
    from shashlik.commands import promote as work
    from shashlik.commands.session import outer_run, session

    outer = outer_run()
    with session(task) as (definition, registry):
        others = work.SEEDS if seeds is None else seeds
        verdict = work.promote(registry, definition, model or "", look, others, click.echo)
        click.echo(f"\n{terminal(verdict)}")
        if outer:
            lineage.tag_run(outer, {"verdict": verdict.decision, "verdict.sha256": verdict.sha256})
    # Without claims there was no evaluation, which the exit code must show.
    answered = bool(verdict.claims) and bool(look or outer)
    sys.exit(not (verdict.promoted or answered))


@click.command()
@click.argument("task")
@click.option("--to", type=WHOLE, help="An earlier champion.  [default: the one before]")
@click.option("--why", type=TEXT, help="The reason, for the journal.")
def rollback(task: str, to: int | None, why: str | None) -> None:
    """Make an earlier champion of TASK champion again."""
    from shashlik.commands.session import session

    with session(task) as (_, registry):
        entry = registry.rollback(task, to, why or "")
    click.echo(f"version {entry.version} is champion of {task} again, in place of version {entry.previous}")


@click.command()
@click.argument("task")
@click.option("--at", type=TEXT, help="A date or moment, ISO 8601; UTC where no zone is given.")
@click.option("--verify", is_flag=True, help="Check that nothing was changed or removed.")
def history(task: str, at: str | None, verify: bool) -> None:
    """Tell what happened to the champions of TASK."""
    from shashlik.commands import listing
    from shashlik.commands.session import session

    with session(task) as (definition, registry):
        click.echo(listing.history(registry, definition, at))
        if verify:
            problems = listing.verified(registry, definition)
            click.echo("\n".join(problems) or f"the journal of {task} is complete and unchanged")
            sys.exit(bool(problems))


@click.command()
@click.argument("task")
@click.option("--at", type=TEXT, help="A date or moment, ISO 8601; UTC where no zone is given.")
def champion(task: str, at: str | None) -> None:
    """Name the champion of TASK, now or at a date."""
    from shashlik.commands import listing
    from shashlik.commands.session import session

    with session(task) as (definition, registry):
        click.echo(listing.champion(registry, definition, at))


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--task", type=TEXT, help="Whose model; not needed where there is one task.")
@click.option("--model", type=TEXT, help="Version, alias or run.  [default: champion]")
@click.option("--columns", type=TEXT, help="What fills columns that the files have under other names.")
def predict(
    files: tuple[str, ...], output: Path, task: str | None, model: str | None, columns: str | None
) -> None:
    """Predict the events of the ROOT FILES into OUTPUT, a friend tree with one entry for each of them."""
    from shashlik.commands import predict as work
    from shashlik.commands.session import session, sole_task

    with session(sole_task(task)) as (definition, _):
        events = work.predict(definition, model or "champion", files, output, columns or "")
    click.echo(f"{output}: {events} events in the tree {work.TREE!r}")


@click.command()
@click.argument("task")
@click.option("--repair", is_flag=True, help="Set aliases and restore deleted runs.")
def doctor(task: str, repair: bool) -> None:
    """Check that champions, baselines and frozen sample of TASK are there and agree with the journal."""
    from shashlik.commands import doctor as work
    from shashlik.commands.session import session

    with session(task) as (definition, registry):
        wrong, repaired = work.doctor(registry, definition, repair)
        champion = registry.state(task).champion
    for line in repaired:
        click.echo(f"repaired: {line}")
    for line in wrong:
        click.echo(f"wrong: {line}")
    click.echo(
        f"{task}: the champion is {'none' if champion is None else f'version {champion}'}; "
        f"{len(wrong)} problems"
    )
    sys.exit(bool(wrong))


@click.command()
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--task", type=TEXT, help="Whose model; not needed where there is one task.")
def export(model: str, folder: Path, task: str | None) -> None:
    """Write MODEL (version, alias or run) into the new FOLDER as ONNX with all that belongs to it."""
    from shashlik.commands.session import session, sole_task
    from shashlik.export import exporter as work

    with session(sole_task(task)) as (definition, registry):
        sha256 = work.export(registry, definition, model, folder, click.echo)
    click.echo(f"{folder}: sha256 of its manifest {sha256}")


@click.command("import")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--sha256", type=TEXT, help="What the export said of its manifest.")
def imports(bundle: Path, sha256: str | None) -> None:
    """Make a candidate of BUNDLE, a folder that 'export' wrote. It runs the code of the model in it."""
    from shashlik.commands.session import session
    from shashlik.export import importer as work

    manifest, manifest_sha256 = work.opened(bundle, sha256 or "")
    with session(manifest["task"]) as (definition, registry):
        number = work.bring(registry, definition, bundle, manifest, manifest_sha256)
    click.echo(f"{bundle} is version {number} of {manifest['task']}, a candidate; manifest {manifest_sha256}")


@click.command()
@click.argument("model")
@click.option("--task", type=TEXT, help="Whose model; not needed where there is one task.")
@click.option("--here", is_flag=True, help="Run the present code, not that of the recorded commit.")
def rerun(model: str, task: str | None, here: bool) -> None:
    """Run the configuration of MODEL (version, alias or run) again and compare, in standard errors.

    The exit code is 0 if all numbers agree, and 1 if not.
    """
    from shashlik.commands import rerun as work
    from shashlik.commands.session import session, sole_task

    with session(sole_task(task)) as (definition, _):
        agreement = work.rerun(definition, model, here, click.echo)
    click.echo(agreement.text)
    sys.exit(not agreement.agrees)


COMMANDS = (
    candidates,
    baselines,
    freeze,
    compare,
    promote,
    rollback,
    history,
    champion,
    predict,
    export,
    imports,
    rerun,
    doctor,
)
