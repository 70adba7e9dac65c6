"""Commands of tracking server and index as console and ``mlflow run`` call them.

This file declares them and loads nothing heavy; a command loads what it needs when it is given.
"""

from __future__ import annotations

import click

__all__ = ["COMMANDS", "index"]


@click.command()
@click.option("--rebuild", is_flag=True, help="Make it anew from the artifacts of all runs.")
def index(rebuild: bool) -> None:
    """Say how much evidence of which task is in the index that leaderboards are made of."""
    from collections import Counter

    from tracking.index.records import Selection
    from tracking.indexing import opened_index
    from tracking.indexing import rebuild as work

    if rebuild:
        click.echo(f"{work(click.echo)} evidences indexed")
    with opened_index() as found:
        counts = Counter((head.task, head.sample) for head in found.heads(Selection()))
    for (task, sample), number in sorted(counts.items()):
        click.echo(f"{task:24} {sample:12} {number}")
    if not counts:
        click.echo("the index is empty; 'shashlik index --rebuild' fills it from the artifacts of all runs")


COMMANDS = (index,)
