"""Parse the query string of a leaderboard page; an invalid value gives a one-line error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from registry.server.pages.rendering import Refused
from tracking.index.records import TEST, Selection

__all__ = ["Asked", "asked", "milliseconds", "sample_choices", "sample_words", "task_named"]

#: Rows of a leaderboard per page, and the last row within reach.
PAGE, DEEPEST = 50, 1_000_000
LONGEST = 250
_NAME = re.compile(r"[\w.][\w.:/ -]*")


def task_named(name: str) -> str:
    """Return the name if a task can have it.

    Raises
    ------
    Refused
        If it is no valid name of a task.
    """
    if len(name) > LONGEST or not re.fullmatch(r"[\w.-]+", name):
        raise Refused(404, f"there is no task {_short(name)}: see all tasks")
    return name


@dataclass(frozen=True)
class Asked:
    """A query for a leaderboard.

    Parameters
    ----------
    sample : str
        Name of the sample in the index.
    quantity : str
        The quantity shown in full; empty for the first.
    sort : str
        ``<quantity>/<statistic>``; empty for the width of the quantity.
    order : {"", "asc", "desc"}
    who : {"", "all"}
        Subjects of their runs, or all estimators.
    user, tag, since, until : str
        Filters; the tag is ``name=value``, dates are ISO 8601, and the last day is included.
    page : int
        From 1.
    """

    sample: str = TEST
    quantity: str = ""
    sort: str = ""
    order: str = ""
    who: str = ""
    user: str = ""
    tag: str = ""
    since: str = ""
    until: str = ""
    page: int = 1

    @property
    def offset(self) -> int:
        """Number of rows before the page."""
        return PAGE * (self.page - 1)

    def selection(self, task: str, experiments: tuple[str, ...] | None) -> Selection:
        """Convert the query to a selection of the index."""
        name, _, value = self.tag.partition("=")
        until = milliseconds(self.until)
        return Selection(
            task=task,
            sample=self.sample,
            user=self.user,
            since=milliseconds(self.since),
            until=until + 86_400_000 if until else 0,
            tags={name: value} if name else {},
            experiments=experiments,
        )

    def query(self, **changed: object) -> dict[str, object]:
        """Return the query parameters of this leaderboard with some changes."""
        now = replace(self, **changed)  # type: ignore[arg-type]
        return {name: value for name, value in vars(now).items() if value != getattr(Asked, name)}


def milliseconds(date: str) -> int:
    """Convert a date to the milliseconds from 1970 to the beginning of that day; 0 for no date."""
    if not date:
        return 0
    return int(
        (datetime.fromisoformat(date).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC))
        / timedelta(milliseconds=1)
    )


def asked(pairs: Sequence[tuple[str, str]]) -> Asked:
    """Parse the query of an address.

    Raises
    ------
    Refused
        If a value is invalid.
    """
    values = {name: value for name, value in pairs if name in Asked.__dataclass_fields__ and value}
    for name, value in values.items():
        if len(value) > LONGEST:
            raise Refused(400, f"{name} is {len(value)} characters long; at most {LONGEST} are allowed")
        if not value.isprintable():
            raise Refused(400, f"{name}={_short(value)} has characters that no name has")
    for name in ("since", "until"):
        try:
            milliseconds(values.get(name, ""))
        except (ValueError, OverflowError):
            raise Refused(
                400, f"{name}={_short(values[name])} is no date; give one like 2026-01-31"
            ) from None
    page = values.pop("page", "1")
    if not page.isascii() or not page.isdigit() or not 1 <= int(page[:9]) <= DEEPEST // PAGE:
        raise Refused(400, f"page={_short(page)} is no page; give a number from 1 to {DEEPEST // PAGE}")
    for name, allowed in (("order", ("asc", "desc")), ("who", ("all",))):
        if name in values and values[name] not in allowed:
            raise Refused(400, f"{name}={_short(values[name])} is not known; one of {', '.join(allowed)}")
    if "tag" in values and not values["tag"].partition("=")[1]:
        raise Refused(400, f"tag={_short(values['tag'])} is no tag; give one like trial.kind=final")
    if "sort" in values and not _NAME.fullmatch(values["sort"]):
        raise Refused(400, f"sort={_short(values['sort'])} is nothing to sort by; give one like x/sigma")
    return Asked(**values, page=int(page))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def sample_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """List the choices of samples: value and label."""
    return [(name, sample_words(name)) for name in names or (TEST,)]


def sample_words(sample: str) -> str:
    """Return the label of a sample."""
    return "test events of each run" if sample == TEST else sample.replace("frozen ", "frozen sample ", 1)
