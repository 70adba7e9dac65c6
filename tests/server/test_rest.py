"""Index and journal over REST do what they do in a database; whatever is sent, no answer is a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from index_suite import IndexSuite, Place, made_up
from journal_suite import JournalSuite, promote
from logins import ADMIN, Server
from mlflow.tracking import MlflowClient

from registry.journal.aliases import RemoteMirror
from registry.journal.remote import RemoteJournal
from tracking.database import Unreachable
from tracking.evidence.resolution import Evidence
from tracking.index.protocol import Index
from tracking.index.records import Origin, Selection
from tracking.index.remote import RemoteIndex
from tracking.runs.indexing import opened_index
from tracking.runs.recorder import recording
from tracking.runs.rest_client import PREFIX, call

#: Tries of each operation.
EXAMPLES = (2, pytest.param(12, marks=pytest.mark.slow))


@pytest.mark.usefixtures("login")
class TestRemoteIndex(IndexSuite):
    @pytest.fixture
    def found(self) -> Index:
        return RemoteIndex(call)

    @pytest.fixture
    def place(self) -> Place:
        """The server takes nothing on trust: each origin is that of a run which exists."""

        def place(letter: str, **changed: object) -> Origin:
            wanted = made_up(letter, **changed)
            tags = {"mlflow.user": wanted.user, "git.commit": wanted.commit}
            run = MlflowClient().create_run("0", wanted.time, tags, wanted.name)
            return replace(wanted, run=run.info.run_id, experiment="0")

        return place


class TestRemoteJournal(JournalSuite):
    @pytest.fixture
    def journal(self, login: object) -> RemoteJournal:
        return RemoteJournal(call)

    @pytest.fixture
    def task(self, model: str) -> str:
        return model

    def test_aliases_follow(self, journal: RemoteJournal, task: str) -> None:
        promote(journal, task, 1, None)
        promote(journal, task, 2, 1)
        journal.note(task, "baseline", 4, {"name": "fit"})
        found = MlflowClient().get_registered_model(task)
        assert {name: int(version) for name, version in found.aliases.items()} == {
            "champion": 2,
            "previous": 1,
            "baseline-fit": 4,
        }
        assert found.tags["journal"] == journal.entries(task)[-1].anchor
        assert RemoteMirror(call).settle(task) == []
        assert {entry.actor for entry in journal.entries(task)} == {ADMIN[0]}

    def test_without_a_verdict_nothing_is_promoted(self, journal: RemoteJournal, task: str) -> None:
        for decision in ("REJECT", "INCONCLUSIVE"):
            journal.note(task, "look", 1, {"decision": decision}, "cd" * 32)
        with pytest.raises(RuntimeError, match="knows no verdict cdcdcdcdcdcd that promotes version 1"):
            journal.promote(task, 1, expected=None, verdict="cd" * 32, details={})

    def test_the_same_request_is_written_once(self, journal: RemoteJournal, task: str) -> None:
        body = {"event": "look", "version": 1, "request": uuid4().hex}
        first, second = (call("POST", f"/journal/{task}/note", body=body) for _ in range(2))
        assert first == second
        assert len(journal.entries(task)) == 1


def test_a_run_is_recorded_without_a_database_of_its_own(
    login: Callable[..., None], evidence: Evidence
) -> None:
    task = f"toy-{uuid4().hex[:8]}"
    evidence = replace(evidence, facts=replace(evidence.facts, task=task))
    with recording(task, seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    with opened_index() as index:
        assert isinstance(index, RemoteIndex)
        (head,) = index.heads(Selection(task=task))
    assert (head.run, head.sha256) == (recorder.run_id, evidence.sha256)


def test_a_plain_server_is_recognised(
    login: Callable[..., None], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # mlflow's own answer to a path that it does not know.
    monkeypatch.setattr("tracking.runs.rest_client.PREFIX", "/api/nothing/here")
    with pytest.raises(Unreachable, match="start it with 'shashlik server'"):
        call("GET", "/journal")


@pytest.mark.parametrize("examples", EXAMPLES)
def test_whatever_is_sent_is_answered(server: Server, examples: int) -> None:
    told = server.ask("GET", f"{PREFIX}/openapi.json").json()
    assert all(not path.startswith("/api/2.0") for path in told["paths"]), "mlflow's routes are not ours"
    schema = schemathesis.openapi.from_dict(told)
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_one(case: schemathesis.Case) -> None:
            answer = case.call(base_url=f"{server.address}{PREFIX}", auth=ADMIN)
            assert answer.status_code < 500, (case.method, case.path, answer.text)

        try_one()
        tried += 1
    assert tried == sum(len(methods) for methods in told["paths"].values())
