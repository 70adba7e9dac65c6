"""Delete old runs that nothing in the registry depends on."""

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
    """List the runs that may be deleted, and delete them on request.

    Parameters
    ----------
    registry : Registry
    task : Task
    days : float
        Runs that ended this many days ago or earlier may be deleted.
    best : int
        Number of best runs to keep, for each primary quantity of the task's rule.
    delete : bool
        Whether to delete the runs; they can be restored.
    collect : bool
        Whether to remove deleted runs permanently, files and rows, from this and earlier calls.
    artifacts : str
        Location of the artifacts that the server serves.
    say : callable
        Receives one line of progress at a time.

    Raises
    ------
    BadInput
        For negative numbers, or a broken journal.
    Refused
        If permanent removal is requested and the database's address is unknown.
    """
    if days < 0 or best < 0:
        raise BadInput(f"--older {days:g} --keep-best {best}: both must be at least 0")
    database = storage.database(None)
    if collect:
        # No server removes anything permanently, so the address must be that of a database.
        parsed(database)
    if problems := registry.problems(task.name):
        raise BadInput(f"{problems[0]}: nothing is deleted before 'shashlik doctor {task.name} --repair'")
    versions = purge.registered()
    needed = stands_on(task.name, registry.journal.entries(task.name), versions)
    primary = task.rule.primary if task.rule else tuple(quantity.name for quantity in task.quantities)
    metrics = [f"{SUBJECT}/{name}/sigma" for name in primary]
    now = time.time()
    proposal = plan(purge.runs_of(task.name), needed, now, days, best, metrics)
    if proposal.goes:
        rows = [
            (run.run_id, run.name, run.status, f"{(now - run.ended) / 86400:.1f}") for run in proposal.goes
        ]
        say(table(("run", "name", "status", "days ago"), rows))
    for reason, number in Counter(
        reason.partition(":")[0] for reason in proposal.stays.values()
    ).most_common():
        say(f"{number} stay: {reason}")
    if delete:
        purge.delete([run.run_id for run in proposal.goes])
        say(f"{len(proposal.goes)} runs are deleted; 'mlflow runs restore --run-id' brings one back")
    else:
        say(f"{len(proposal.goes)} runs would be deleted by --delete")
    removable = plan(purge.deleted_runs(task.name), needed, now, days).goes
    if not collect:
        if removable:
            say(f"{len(removable)} deleted runs would be removed for good by --collect")
        return proposal
    ids = {run.run_id for run in removable}
    orphans = [version for version in versions if version.run_id in ids]
    purge.collect(database, sorted(ids), orphans, lambda location: located(location, artifacts))
    with opened(storage.journal(database) or database) as engine:
        DirectIndex(engine).drop(ids)
    say(f"{len(ids)} deleted runs and {len(orphans)} versions without a verdict are removed for good")
    return proposal
