"""What the address of a page asks for, checked: what cannot be meant is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from registry.server.pages.rendering import Refused
from tracking.index.records import TEST, Selection

__all__ = ["Asked", "asked", "milliseconds", "sample_choices", "sample_words", "task_named"]

#: Rows of a leaderboard on a page, and the last that can be asked for.
PAGE, DEEPEST = 50, 1_000_000
LONGEST = 250
_NAME = re.compile(r"[\w.][\w.:/ -]*")


def task_named(name: str) -> str:
    """A name that a task can have.

    Raises
    ------
    Refused
        If no task can be called so.
    """
    if len(name) > LONGEST or not re.fullmatch(r"[\w.-]+", name):
        raise Refused(404, f"there is no task {_short(name)}: see all tasks")
    return name


@dataclass(frozen=True)
class Asked:
    """A leaderboard that is asked for.

    Parameters
    ----------
    sample : str
        Name of the sample in the index.
    quantity : str
        Whose numbers are shown in full; empty for the first.
    sort : str
        ``<quantity>/<statistic>``; empty for the width of the quantity.
    order : {"", "asc", "desc"}
    who : {"", "all"}
        Subjects of their runs, or all estimators.
    user, tag, since, until : str
        Filters; the tag is ``name=value``, dates are ISO 8601, the last day included.
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
        """Rows before the page."""
        return PAGE * (self.page - 1)

    def selection(self, task: str, experiments: tuple[str, ...] | None) -> Selection:
        """The same for the index."""
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
        """Parameters of the address that asks for the same but for what is changed."""
        now = replace(self, **changed)  # type: ignore[arg-type]
        return {name: value for name, value in vars(now).items() if value != getattr(Asked, name)}


def milliseconds(date: str) -> int:
    """The beginning of a day, in milliseconds since 1970; 0 for none."""
    if not date:
        return 0
    return int(
        (datetime.fromisoformat(date).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC))
        / timedelta(milliseconds=1)
    )


def asked(pairs: Sequence[tuple[str, str]]) -> Asked:
    """What the query of an address asks for.

    Raises
    ------
    Refused
        For a value that cannot be meant.
    """
    given = {name: value for name, value in pairs if name in Asked.__dataclass_fields__ and value}
    for name, value in given.items():
        if len(value) > LONGEST:
            raise Refused(400, f"{name} is {len(value)} characters long; at most {LONGEST} are allowed")
        if not value.isprintable():
            raise Refused(400, f"{name}={_short(value)} has characters that no name has")
    for name in ("since", "until"):
        try:
            milliseconds(given.get(name, ""))
        except (ValueError, OverflowError):
            raise Refused(400, f"{name}={_short(given[name])} is no date; give one like 2026-01-31") from None
    page = given.pop("page", "1")
    if not page.isascii() or not page.isdigit() or not 1 <= int(page[:9]) <= DEEPEST // PAGE:
        raise Refused(400, f"page={_short(page)} is no page; give a number from 1 to {DEEPEST // PAGE}")
    for name, allowed in (("order", ("asc", "desc")), ("who", ("all",))):
        if name in given and given[name] not in allowed:
            raise Refused(400, f"{name}={_short(given[name])} is not known; one of {', '.join(allowed)}")
    if "tag" in given and not given["tag"].partition("=")[1]:
        raise Refused(400, f"tag={_short(given['tag'])} is no tag; give one like trial.kind=final")
    if "sort" in given and not _NAME.fullmatch(given["sort"]):
        raise Refused(400, f"sort={_short(given['sort'])} is nothing to sort by; give one like x/sigma")
    return Asked(**given, page=int(page))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def sample_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """What a person can choose from: value and words."""
    return [(name, sample_words(name)) for name in names or (TEST,)]


def sample_words(sample: str) -> str:
    """A sample for people."""
    return "test events of each run" if sample == TEST else sample.replace("frozen ", "frozen sample ", 1)
