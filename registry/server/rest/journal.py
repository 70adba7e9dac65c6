"""REST API of the journal. The aliases are up to date when a request for an entry returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from registry.gate.verdict import PROMOTE
from registry.journal.direct import NOTES, Conflict
from registry.journal.state import Entry
from registry.server.access import Caller, caller
from registry.server.passage import passage
from registry.server.stores import registry
from tracking.evidence.serialization import encode

__all__ = [
    "Note",
    "Override",
    "Promote",
    "Release",
    "Rollback",
    "Withdraw",
    "Write",
    "entries",
    "note",
    "override",
    "promote",
    "release",
    "rollback",
    "router",
    "settle",
    "tasks",
    "withdraw",
]

router = APIRouter(tags=["journal"])

Who = Annotated[Caller, Depends(caller)]
Task = Annotated[str, Path(max_length=255, examples=["ecal_stage4"])]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Sha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
Why = Annotated[str, Field(min_length=1, max_length=2000, description="kept in the journal for ever")]


class Write(BaseModel):
    """Fields common to all new entries."""

    details: dict[str, Any] = Field(default_factory=dict)
    actor: str = Field("", max_length=255, description="of note only on a server without logins")
    request: str = Field("", max_length=64, description="the same again is not written twice")


class Promote(Write):
    """A promotion; its verdict must be recorded as a look before."""

    version: Version
    expected: Version | None = Field(description="the champion that the verdict was about")
    verdict: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Rollback(Write):
    """A return to an earlier champion."""

    expected: Version | None
    to: Version | None = None


class Withdraw(Write):
    """A withdrawal of a promotion."""

    version: Version


class Note(Write):
    """An entry that changes no champion."""

    event: str = Field(json_schema_extra={"enum": list(NOTES)})
    version: Version | None = None
    verdict: Sha256 = ""


class Override(Write):
    """Champion or baseline without a verdict, by an administrator."""

    alias: str = Field(max_length=255, examples=["champion"])
    version: Version | None
    why: Why


class Release(Write):
    """A version that may be deleted, by an administrator."""

    version: Version
    why: Why


@router.get("/journal")
def tasks(who: Who) -> JSONResponse:
    """List tasks with a journal that the caller may read."""
    return JSONResponse([task for task in registry().journal.tasks() if who.may_read_task(task)])


@router.get("/journal/{task}")
def entries(task: Task, who: Who, since: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0) -> JSONResponse:
    """List the entries of a task after number `since`."""
    who.need_task(task, "READ")
    journal = registry().journal.entries(task)
    return JSONResponse([encode(entry) for entry in journal if entry.number > since])


@router.post("/journal/{task}/promote")
def promote(task: Task, body: Promote, who: Who) -> JSONResponse:
    """Promote a version to champion on the basis of a verdict; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    if not any(
        entry.event == "look"
        and (entry.version, entry.verdict) == (body.version, body.verdict)
        and entry.more.get("decision") == PROMOTE
        for entry in journal.entries(task)
    ):
        raise HTTPException(
            409,
            f"the journal of {task} knows no verdict {body.verdict[:12]} that promotes "
            f"version {body.version}",
        )
    return _write(
        task,
        body,
        who,
        lambda: journal.promote(
            task, body.version, expected=body.expected, verdict=body.verdict, details=_details(body)
        ),
    )


@router.post("/journal/{task}/rollback")
def rollback(task: Task, body: Rollback, who: Who) -> JSONResponse:
    """Restore an earlier champion; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _write(
        task,
        body,
        who,
        lambda: journal.rollback(task, expected=body.expected, to=body.to, details=_details(body)),
    )


@router.post("/journal/{task}/withdraw")
def withdraw(task: Task, body: Withdraw, who: Who) -> JSONResponse:
    """Withdraw the promotion of the champion; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _write(task, body, who, lambda: journal.withdraw(task, body.version, _details(body)))


@router.post("/journal/{task}/note")
def note(task: Task, body: Note, who: Who) -> JSONResponse:
    """Record a look, a baseline, a frozen sample or an import; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _write(
        task, body, who, lambda: journal.note(task, body.event, body.version, _details(body), body.verdict)
    )


@router.post("/journal/{task}/override")
def override(task: Task, body: Override, who: Who) -> JSONResponse:
    """Set champion or baseline against the gate, with a permanent reason; for administrators."""
    who.need_admin()
    journal = registry(_actor(body, who)).journal
    return _write(task, body, who, lambda: journal.override(task, body.alias, body.version, body.why))


@router.post("/journal/{task}/release")
def release(task: Task, body: Release, who: Who) -> JSONResponse:
    """Allow deletion of a former champion or baseline, with a permanent reason; for administrators."""
    who.need_admin()
    journal = registry(_actor(body, who)).journal
    return _write(task, body, who, lambda: journal.release(task, body.version, body.why))


@router.post("/journal/{task}/settle")
def settle(task: Task, who: Who) -> JSONResponse:
    """Set the aliases to the state of the journal; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    with passage():
        return JSONResponse(_attempt(lambda: registry().settle(task)))


def _write(task: str, body: Write, who: Caller, write: Callable[[], Entry]) -> JSONResponse:
    """Write an entry, or find the one of a repeated request, and update the aliases."""
    records = registry(_actor(body, who))
    before = [entry for entry in records.journal.entries(task) if body.request]
    entry = next((entry for entry in before if entry.more.get("request") == body.request), None)
    with passage():
        entry = entry or _attempt(write)
        if entry.event in ("look", "freeze", "import", "release"):
            records.mirror.remember(entry)
        else:
            _attempt(lambda: records.mirror.follow(entry))
    return JSONResponse(encode(entry))


def _attempt(write: Callable[[], Any]) -> Any:
    try:
        return write()
    except Conflict as error:
        raise HTTPException(409, str(error)) from error
    except (ValueError, KeyError, AssertionError) as error:
        raise HTTPException(422, f"this cannot be an entry: {error}") from error


def _details(body: Write) -> dict[str, Any]:
    return {**body.details, **({"request": body.request} if body.request else {})}


def _actor(body: Write, who: Caller) -> str:
    return who.name or body.actor
