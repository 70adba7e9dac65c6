"""REST of the journal. Aliases have followed an entry by the time that it is answered."""

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
    """What every entry may say."""

    details: dict[str, Any] = Field(default_factory=dict)
    actor: str = Field("", max_length=255, description="of note only on a server without logins")
    request: str = Field("", max_length=64, description="the same again is not written twice")


class Promote(Write):
    """A promotion; its verdict was noted as a look before."""

    version: Version
    expected: Version | None = Field(description="the champion that the verdict was about")
    verdict: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Rollback(Write):
    """A return to an earlier champion."""

    expected: Version | None
    to: Version | None = None


class Withdraw(Write):
    """A promotion taken back."""

    version: Version


class Note(Write):
    """What changes no champion."""

    event: str = Field(json_schema_extra={"enum": list(NOTES)})
    version: Version | None = None
    verdict: Sha256 = ""


class Override(Write):
    """Champion or baseline without a verdict; an administrator's."""

    alias: str = Field(max_length=255, examples=["champion"])
    version: Version | None
    why: Why


class Release(Write):
    """A version that may be deleted; an administrator's."""

    version: Version
    why: Why


@router.get("/journal")
def tasks(who: Who) -> JSONResponse:
    """Tasks that have a journal and may be read."""
    return JSONResponse([task for task in registry().journal.tasks() if who.may_read_task(task)])


@router.get("/journal/{task}")
def entries(task: Task, who: Who, since: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0) -> JSONResponse:
    """Entries of a task behind number `since`."""
    who.need_task(task, "READ")
    found = registry().journal.entries(task)
    return JSONResponse([encode(entry) for entry in found if entry.number > since])


@router.post("/journal/{task}/promote")
def promote(task: Task, body: Promote, who: Who) -> JSONResponse:
    """Make a version champion on the strength of a verdict; EDIT on the registered model is needed."""
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
    return _written(
        task,
        body,
        who,
        lambda: journal.promote(
            task, body.version, expected=body.expected, verdict=body.verdict, details=_details(body)
        ),
    )


@router.post("/journal/{task}/rollback")
def rollback(task: Task, body: Rollback, who: Who) -> JSONResponse:
    """Make an earlier champion champion again; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _written(
        task,
        body,
        who,
        lambda: journal.rollback(task, expected=body.expected, to=body.to, details=_details(body)),
    )


@router.post("/journal/{task}/withdraw")
def withdraw(task: Task, body: Withdraw, who: Who) -> JSONResponse:
    """Take back the promotion of the champion; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _written(task, body, who, lambda: journal.withdraw(task, body.version, _details(body)))


@router.post("/journal/{task}/note")
def note(task: Task, body: Note, who: Who) -> JSONResponse:
    """Note a look, a baseline, a frozen sample, an import; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    journal = registry(_actor(body, who)).journal
    return _written(
        task, body, who, lambda: journal.note(task, body.event, body.version, _details(body), body.verdict)
    )


@router.post("/journal/{task}/override")
def override(task: Task, body: Override, who: Who) -> JSONResponse:
    """Set champion or baseline against the gate, for a reason that is kept; for administrators."""
    who.need_admin()
    journal = registry(_actor(body, who)).journal
    return _written(task, body, who, lambda: journal.override(task, body.alias, body.version, body.why))


@router.post("/journal/{task}/release")
def release(task: Task, body: Release, who: Who) -> JSONResponse:
    """Let a former champion or baseline be deleted, for a reason that is kept; for administrators."""
    who.need_admin()
    journal = registry(_actor(body, who)).journal
    return _written(task, body, who, lambda: journal.release(task, body.version, body.why))


@router.post("/journal/{task}/settle")
def settle(task: Task, who: Who) -> JSONResponse:
    """Let the aliases follow the journal; EDIT on the registered model is needed."""
    who.need_task(task, "EDIT")
    with passage():
        return JSONResponse(_allowed(lambda: registry().settle(task)))


def _written(task: str, body: Write, who: Caller, write: Callable[[], Entry]) -> JSONResponse:
    """The entry that was written, or was there already, with the aliases behind it."""
    found = registry(_actor(body, who))
    before = [entry for entry in found.journal.entries(task) if body.request]
    entry = next((one for one in before if one.more.get("request") == body.request), None)
    with passage():
        entry = entry or _allowed(write)
        if entry.event in ("look", "freeze", "import", "release"):
            found.mirror.remember(entry)
        else:
            _allowed(lambda: found.mirror.follow(entry))
    return JSONResponse(encode(entry))


def _allowed(write: Callable[[], Any]) -> Any:
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
