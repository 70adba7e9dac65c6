"""``shashlik retain``: delete runs that are old and that nothing stands on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from registry import purge
from registry.journal.champions import Registry
from registry.retention import Plan, plan, stands_on
from shashlik.commands import storage
from shashlik.commands.listing import table
from shashlik.evaluation.run import SUBJECT
from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from tracking.database import opened
from tracking.index.direct import DirectIndex
from tracking.storage.backup import located
from tracking.storage.databases import parsed

__all__ = ["retain"]


def retain(
    registry: Registry,
    task: Task,
    days: float,
    best: int,
    delete: bool,
    collect: bool,
    artifacts: str,
    say: Callable[[str], object] = print,
) -> Plan:
    """Say which runs may go, and on request let them go.

    Parameters
    ----------
    registry : Registry
    task : Task
    days : float
        Runs that ended so many days ago or earlier may go.
    best : int
        How many of the best stay, by each quantity that the task's rule calls primary.
    delete : bool
        Delete them; they can be restored.
    collect : bool
        Remove for good what was deleted, now or before, files and rows.
    artifacts : str
        Where the server keeps artifacts that it hands out.
    say : callable
        Told what happens.

    Raises
    ------
    BadInput
        For numbers that make no sense, or a journal that is broken.
    Refused
        If something is to be removed for good and the database's address is not known.
    """
    if days < 0 or best < 0:
        raise BadInput(f"--older {days:g} --keep-best {best}: both must be at least 0")
    database = storage.database(None)
    if collect:
        # No server removes anything for good.
        parsed(database)
    if broken := registry.problems(task.name):
        raise BadInput(f"{broken[0]}: nothing is deleted before 'shashlik doctor {task.name} --repair'")
    versions = purge.registered()
    needed = stands_on(task.name, registry.journal.entries(task.name), versions)
    primary = task.rule.primary if task.rule else tuple(quantity.name for quantity in task.quantities)
    metrics = [f"{SUBJECT}/{name}/sigma" for name in primary]
    now = time.time()
    found = plan(purge.runs_of(task.name), needed, now, days, best, metrics)
    if found.goes:
        rows = [(run.run_id, run.name, run.status, f"{(now - run.ended) / 86400:.1f}") for run in found.goes]
        say(table(("run", "name", "status", "days ago"), rows))
    for reason, number in Counter(reason.partition(":")[0] for reason in found.stays.values()).most_common():
        say(f"{number} stay: {reason}")
    if delete:
        purge.delete([run.run_id for run in found.goes])
        say(f"{len(found.goes)} runs are deleted; 'mlflow runs restore --run-id' brings one back")
    else:
        say(f"{len(found.goes)} runs would be deleted by --delete")
    gone = plan(purge.deleted_runs(task.name), needed, now, days).goes
    if not collect:
        if gone:
            say(f"{len(gone)} deleted runs would be removed for good by --collect")
        return found
    ids = {run.run_id for run in gone}
    lost = [version for version in versions if version.run_id in ids]
    purge.collect(database, sorted(ids), lost, lambda location: located(location, artifacts))
    with opened(storage.journal(database) or database) as engine:
        DirectIndex(engine).drop(ids)
    say(f"{len(ids)} deleted runs and {len(lost)} versions without a verdict are removed for good")
    return found
