"""Command line of an ablation, for console and ``mlflow run``; `shashlik.ablation` implements it."""

from __future__ import annotations

import click

__all__ = ["COMMANDS", "study"]


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("task")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def study(task: str, parameters: tuple[str, ...]) -> None:
    """Train the variants that TASK declares, and compare them with its base.

    PARAMETERS: --name value, those of the study (listed below) and those of the task (see 'tasks').
    """
    from shashlik.ablation.settings import StudySettings, study_of

    if {"-h", "--help"} & {task, *parameters}:
        from shashlik.task.settings import describe

        click.echo(click.get_current_context().get_help())
        click.echo(f"\n{describe(StudySettings, {})}")
        if not task.startswith("-"):
            from shashlik.task import catalog

            click.echo(f"\nvariants of {task}:")
            for name, variant in study_of(catalog.load(task)).all.items():
                click.echo(f"  {name:16} {variant.title}")
        return
    from shashlik.ablation.run import study as compare

    compare(task, parameters, click.echo)


COMMANDS = (study,)
