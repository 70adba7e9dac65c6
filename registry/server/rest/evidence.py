"""REST API of the index of evidence."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from registry.server.access import Caller, caller
from registry.server.stores import index
from tracking.evidence.resolution import from_json
from tracking.evidence.serialization import encode
from tracking.index.records import Selection
from tracking.runs import indexing

__all__ = [
    "Assign",
    "Drop",
    "Put",
    "assign",
    "drop",
    "estimators",
    "heads",
    "leaderboard",
    "lines",
    "put",
    "ratios",
    "router",
    "runs",
    "selection",
    "statistics",
]

router = APIRouter(tags=["evidence"])

#: Largest integer that both databases store.
MOST = 2**63 - 1
Who = Annotated[Caller, Depends(caller)]
Text = Annotated[str, Query(max_length=500)]
Moment = Annotated[int, Query(ge=0, le=MOST, description="milliseconds since 1970")]
Numbers = Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Query(alias="evidence", max_length=500)]
RunId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Put(BaseModel):
    """Evidence stored as an artifact of a run."""

    run: RunId
    artifact: str = Field(max_length=500, examples=["evidence/evidence.json"])
    versions: dict[str, Version] = Field(default_factory=dict, description="registered, by estimator")
    evidence: dict[str, Any] = Field(description="the artifact's content")


class Assign(BaseModel):
    """An estimator of a run that was registered as a version."""

    run: RunId
    estimator: str = Field(max_length=255)
    version: Version


class Drop(BaseModel):
    """Runs to remove from the index."""

    runs: list[RunId] = Field(max_length=10_000)


def selection(
    who: Who,
    task: Text = "",
    sample: Annotated[str, Query(max_length=64, description="test, or frozen <n>")] = "",
    sample_sha256: Text = "",
    kind: Text = "",
    user: Text = "",
    since: Moment = 0,
    until: Moment = 0,
    run: Annotated[list[RunId], Query(max_length=1000)] = [],  # noqa: B006
    tag: Annotated[list[str], Query(max_length=50, description="name=value, as the run has now")] = [],  # noqa: B006
) -> Selection:
    """Build the selection of a query, restricted to experiments that the caller may read."""
    tags = dict(pair.partition("=")[::2] for pair in tag)
    query = Selection(task, sample, sample_sha256, kind, user, since, until, tuple(run), tags)
    return replace(query, experiments=who.readable(index().experiments()) if who.name else None)


Selected = Annotated[Selection, Depends(selection)]


@router.get("/evidence")
def heads(chosen: Selected) -> JSONResponse:
    """List evidence, the newest first."""
    return _response(index().heads(chosen))


@router.put("/evidence")
def put(body: Put, who: Who) -> JSONResponse:
    """Index evidence. It has to be an artifact of the run; EDIT on the experiment is needed."""
    who.need_experiment(_experiment(body.run), "EDIT")
    try:
        evidence = from_json(json.dumps(body.evidence))
        origin = indexing.origin(body.run, body.artifact, evidence, body.versions)
        index().put(origin, evidence)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise HTTPException(422, f"this is no evidence that can be indexed: {error}") from error
    return JSONResponse(origin.run)


@router.put("/versions")
def assign(body: Assign, who: Who) -> JSONResponse:
    """Record that an estimator of a run became a version; EDIT on the experiment is needed."""
    who.need_experiment(_experiment(body.run), "EDIT")
    index().assign(body.run, body.estimator, body.version)
    return JSONResponse(body.run)


@router.post("/evidence/drop")
def drop(body: Drop, who: Who) -> JSONResponse:
    """Remove runs from the index until the next rebuild; EDIT on their experiments is needed."""
    evidence = index()
    for experiment in evidence.experiments(body.runs):
        who.need_experiment(experiment, "EDIT")
    evidence.drop(body.runs)
    return JSONResponse(len(body.runs))


@router.get("/runs")
def runs(who: Who) -> JSONResponse:
    """List runs with evidence that the caller may read."""
    readable = Selection(experiments=who.readable(index().experiments()) if who.name else None)
    return _response(sorted(index().runs(readable)))


@router.get("/leaderboard")
def leaderboard(
    chosen: Selected,
    quantity: Annotated[str, Query(max_length=255, examples=["x"])],
    statistic: Annotated[str, Query(max_length=255, examples=["sigma"])],
    descending: bool = False,
    subjects: Annotated[bool, Query(description="leave out what runs were compared with")] = False,
    once: Annotated[bool, Query(description="registered versions alone, each once")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
) -> JSONResponse:
    """Rank estimators by one of their overall numbers; one that does not exist is the string "nan"."""
    order = {"descending": descending, "subjects": subjects, "once": once}
    return _response(index().leaderboard(chosen, quantity, statistic, **order, limit=limit, offset=offset))


@router.get("/estimators")
def estimators(evidence: Numbers, who: Who) -> JSONResponse:
    """List the estimators of evidence, with their versions."""
    return _response(index().estimators(_readable(evidence, who)))


@router.get("/lines")
def lines(
    evidence: Numbers,
    who: Who,
    quantity: Annotated[str | None, Query(max_length=255)] = None,
    binning: Annotated[str | None, Query(max_length=255, description="empty for overall")] = None,
) -> JSONResponse:
    """List the resolutions of evidence, bin by bin."""
    return _response(index().lines(_readable(evidence, who), quantity, binning))


@router.get("/ratios")
def ratios(evidence: Numbers, who: Who) -> JSONResponse:
    """List overall ratios of the subjects of evidence to all others, with their intervals."""
    return _response(index().ratios(_readable(evidence, who)))


@router.get("/statistics")
def statistics(evidence: Numbers, who: Who) -> JSONResponse:
    """List all other overall numbers of evidence."""
    return _response(index().statistics(_readable(evidence, who)))


def _response(records: Iterable[Any]) -> JSONResponse:
    return JSONResponse([encode(record) for record in records])


def _readable(evidence: Collection[int], who: Caller) -> list[int]:
    """Return numbers of evidence if the caller may read all of it."""
    for experiment in index().experiments(evidence=evidence):
        who.need_experiment(experiment, "READ")
    return list(evidence)


def _experiment(run: str) -> str:
    experiment = indexing.experiment_of(run)
    if experiment is None:
        raise HTTPException(404, f"there is no run {run}")
    return experiment
