"""Who may do what: logins, permissions, the gate in front of aliases, and requests that mean no good."""

from __future__ import annotations

import re
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

import mlflow
import pytest
from click.testing import CliRunner
from journal_suite import promote
from logins import ADMIN, EDITOR, NOBODY, READER, Server
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from registry.journal.remote import RemoteJournal
from registry.server.gated_store import GatedStore
from registry.server.middleware.limits import MOST_BYTES
from shashlik.__main__ import main
from tracking.evidence.resolution import Evidence
from tracking.index.records import Origin, Selection
from tracking.index.remote import RemoteIndex
from tracking.runs.rest_client import PREFIX, call

JSON = "application/json"
RUN = "0123456789abcdef" * 2
#: A body for each route that wants one, and the query where one is needed.
BODIES: dict[str, dict[str, Any]] = {
    "put /evidence": {"run": RUN, "artifact": "evidence/evidence.json", "evidence": {}},
    "put /versions": {"run": RUN, "estimator": "network", "version": 1},
    "post /evidence/drop": {"runs": [RUN]},
    "post /journal/{task}/promote": {"version": 1, "expected": None, "verdict": "ab" * 32},
    "post /journal/{task}/rollback": {"expected": 1},
    "post /journal/{task}/withdraw": {"version": 1},
    "post /journal/{task}/note": {"event": "look"},
    "post /journal/{task}/override": {"alias": "champion", "version": 1, "why": "because"},
    "post /journal/{task}/release": {"version": 1, "why": "because"},
    "post /journal/{task}/settle": {},
}
QUERIES = {
    "/leaderboard": {"quantity": "x", "statistic": "sigma"},
    **{path: {"evidence": 1} for path in ("/estimators", "/lines", "/ratios", "/statistics")},
}
#: Lists, of which everybody gets what he may read.
LISTS = {"get /evidence", "get /leaderboard", "get /journal", "get /runs"}


def routes(server: Server) -> list[tuple[str, str]]:
    """Every route of the REST, from its own OpenAPI."""
    paths = server.ask("GET", f"{PREFIX}/openapi.json").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def send(server: Server, method: str, path: str, user: Any, task: str, run: str, evidence: int = 1) -> Any:
    body = BODIES.get(f"{method} {path}")
    if body:
        body = {
            **body,
            **({"run": run} if "run" in body else {}),
            **({"runs": [run]} if "runs" in body else {}),
        }
    query = {
        **QUERIES.get(path, {}),
        **({"evidence": evidence} if "evidence" in QUERIES.get(path, {}) else {}),
    }
    return server.ask(method, f"{PREFIX}{path.format(task=task)}", user, json=body, params=query)


def test_without_a_login_nothing_is_told(server: Server) -> None:
    found = routes(server)
    assert len(found) >= 18
    for user in (None, ("admin", "wrong password 12")):
        for method, path in found:
            answer = send(server, method, path, user, "toy", RUN)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        for path in ("/metrics", f"{PREFIX}/openapi.json", f"{PREFIX}/nothing"):
            assert server.ask("GET", path, user).status_code in (401, 404)
    assert server.ask("GET", "/ready", None).text == "ready", "the one that whoever runs the server asks"


@pytest.fixture
def secret(model: str, evidence: Evidence) -> tuple[str, str, int]:
    """Task, run and number of evidence that only the administrator may see, and others as they are given."""
    experiment = mlflow.create_experiment(f"secret-{uuid4().hex[:8]}")
    run = MlflowClient().create_run(experiment)
    index = RemoteIndex(call)
    index.put(Origin(run.info.run_id, experiment, "", "test", "evidence/evidence.json", 1), evidence)
    (head,) = index.heads(Selection(runs=(run.info.run_id,)))
    promote(RemoteJournal(call), model, 1, None)
    return model, run.info.run_id, head.id


def test_without_a_permission_everything_is_refused(server: Server, secret: tuple[str, str, int]) -> None:
    task, run, number = secret
    before = RemoteJournal(call).entries(task)
    for method, path in routes(server):
        answer = send(server, method, path, NOBODY, task, run, number)
        if f"{method} {path}" in LISTS:
            assert answer.status_code == 200
            assert run not in answer.text
            assert task not in answer.text
        else:
            assert answer.status_code == 403, (method, path, answer.text)
    assert RemoteJournal(call).entries(task) == before


def test_who_may_read_may_not_write(server: Server, secret: tuple[str, str, int]) -> None:
    task, run, number = secret
    experiment = MlflowClient().get_run(run).info.experiment_id
    server.grant(READER, "experiment", experiment, "READ")
    server.grant(READER, "registered_model", task, "READ")
    for method, path in routes(server):
        answer = send(server, method, path, READER, task, run, number)
        wanted = 200 if method == "get" else 403
        assert answer.status_code == wanted, (method, path, answer.text)
    assert run in send(server, "get", "/evidence", READER, task, run).text
    assert task in send(server, "get", "/journal", READER, task, run).text


def test_who_may_edit_may_not_overrule(server: Server, model: str, login: Any) -> None:
    promote(RemoteJournal(call), model, 1, None)
    server.grant(EDITOR, "registered_model", model, "EDIT")
    login(EDITOR)
    journal = RemoteJournal(call)
    promote(journal, model, 2, 1)
    assert journal.entries(model)[-1].actor == EDITOR[0], "whatever the client says of itself"
    for what in ("override", "release"):
        answer = send(server, "post", f"/journal/{{task}}/{what}", EDITOR, model, RUN)
        assert answer.status_code == 403
        assert "only an administrator" in answer.json()["detail"]


@pytest.fixture
def held(model: str) -> str:
    """A model whose champion is version 2, previous version 1, baseline version 4, and 3 was one."""
    journal = RemoteJournal(call)
    for version, expected in ((3, None), (1, 3), (2, 1)):
        promote(journal, model, version, expected)
    journal.note(model, "baseline", 4, {"name": "fit"})
    return model


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_the_gate_is_in_front_of_every_way(server: Server, held: str, prefix: str) -> None:
    refused: list[tuple[str, str, dict[str, Any]]] = []
    for alias in ("champion", "previous", "baseline-fit", "baseline-new"):
        refused += [
            ("POST", "/registered-models/alias", {"name": held, "alias": alias, "version": "5"}),
            ("DELETE", "/registered-models/alias", {"name": held, "alias": alias}),
        ]
    refused += [
        ("DELETE", "/model-versions/delete", {"name": held, "version": version})
        for version in ("1", "2", "3", "4")
    ]
    refused += [
        ("DELETE", "/registered-models/delete", {"name": held}),
        ("POST", "/registered-models/rename", {"name": held, "new_name": f"{held}-2"}),
        ("POST", "/registered-models/set-tag", {"name": held, "key": "journal", "value": "9 ab"}),
        ("DELETE", "/registered-models/delete-tag", {"name": held, "key": "journal"}),
    ]
    before = MlflowClient().get_registered_model(held)
    for method, path, body in refused:
        for how in ({"json": body}, {"params": body}):
            answer = server.ask(method, f"{prefix}{path}", **how)  # type: ignore[arg-type]
            # What the query says counts with some methods only; nothing of it may count here.
            assert answer.status_code in (403, 400), (path, answer.text)
            if "json" in how:
                assert answer.json()["error_code"] == "PERMISSION_DENIED"
                assert "The gate refuses" in answer.json()["message"], answer.text
    after = MlflowClient().get_registered_model(held)
    assert (after.aliases, after.tags) == (before.aliases, before.tags)


def test_no_other_way_leads_past_the_gate(server: Server, held: str) -> None:
    """What else of mlflow changes models may be given; champion, baselines and journal are as before."""
    client = MlflowClient()
    before = client.get_registered_model(held)
    fields = f'{{name: "{held}", alias: "champion", version: "5"}}'
    for kind in ("mutation", "query"):
        query = f"{kind} {{ mlflowSetRegisteredModelAlias(input: {fields}) {{ apiError {{ message }} }} }}"
        answer = server.ask("POST", "/graphql", json={"query": query})
        assert "Cannot query field" in answer.text, "there is no such thing"
    named = {"name": held, "version": "2"}
    for prefix in ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"):
        for method, path, body in (
            (
                "POST",
                "/model-versions/transition-stage",
                named | {"version": "5", "stage": "Production", "archive_existing_versions": True},
            ),
            ("POST", "/model-versions/transition-stage", named | {"stage": "Archived"}),
            ("PATCH", "/model-versions/update", named | {"description": "x", "aliases": ["champion"]}),
            (
                "PATCH",
                "/registered-models/update",
                {
                    "name": held,
                    "description": "x",
                    "new_name": "y",
                    "aliases": [{"alias": "champion", "version": "5"}],
                },
            ),
            (
                "POST",
                "/model-versions/create",
                {
                    "name": held,
                    "source": f"models:/{held}/5",
                    "aliases": ["champion"],
                    "tags": [{"key": "journal", "value": "1 a"}],
                },
            ),
            (
                "POST",
                "/registered-models/create",
                {"name": held, "tags": [{"key": "journal", "value": "1 a"}]},
            ),
        ):
            assert server.ask(method, f"{prefix}{path}", json=body).status_code < 500
    answer = server.ask("POST", "/api/3.0/mlflow/registered-models/alias", json=named | {"alias": "champion"})
    assert answer.status_code == 404
    after = client.get_registered_model(held)
    assert (after.name, after.aliases, after.tags) == (before.name, before.aliases, before.tags)
    new = {"name": f"{held}-new", "tags": [{"key": "journal", "value": "1 a"}]}
    answer = server.ask("POST", "/api/2.0/mlflow/registered-models/create", json=new)
    assert answer.status_code == 403, "nor is what the gate remembers made up beforehand"


#: What of mlflow's registry changes something, and whether the gate looks at it.
CHANGES = {
    "create_model_version": False,
    "create_registered_model": True,
    "delete_model_version": True,
    "delete_model_version_tag": False,
    "delete_registered_model": True,
    "delete_registered_model_alias": True,
    "delete_registered_model_tag": True,
    "rename_registered_model": True,
    "set_model_version_tag": False,
    "set_registered_model_alias": True,
    "set_registered_model_tag": True,
    "transition_model_version_stage": False,
    "update_model_version": False,
    "update_registered_model": False,
}
CHANGING = re.compile("(create|delete|rename|set|transition|update|copy|add|remove|import|restore)_.*model")


def test_nothing_in_mlflows_registry_is_new() -> None:
    """Should an mlflow to come change models in another way, the gate has to know it."""
    there = {name for name in dir(SqlAlchemyStore) if CHANGING.match(name)}
    assert there - {"copy_model_version"} == set(CHANGES), "a copy is made by create_model_version"
    assert {name for name in there if name in vars(GatedStore)} == {
        name for name, gated in CHANGES.items() if gated
    }


def test_what_the_gate_does_not_keep_is_free(held: str) -> None:
    client = MlflowClient()
    client.set_registered_model_alias(held, "mine", "2")
    client.delete_registered_model_alias(held, "mine")
    client.delete_model_version(held, "9")
    client.set_registered_model_tag(held, "colour", "red")
    other = client.create_registered_model(f"other-{uuid4().hex[:8]}").name
    client.rename_registered_model(other, f"{other}-2")
    client.delete_registered_model(f"{other}-2")


def shell(*words: str) -> Any:
    return CliRunner().invoke(main, list(words))


def test_an_administrator_overrules_with_a_reason(
    held: str, monkeypatch: pytest.MonkeyPatch, login: Any
) -> None:
    monkeypatch.setattr("shashlik.task.catalog.load", lambda name: None)
    assert "needs its reason" in shell("override", held, "--version", "6", "--why", "  ").output
    assert "by an override" in shell("override", held, "--version", "6", "--why", "the beam was off").output
    client = MlflowClient()
    assert client.get_model_version_by_alias(held, "champion").version == "6"
    entry = RemoteJournal(call).entries(held)[-1]
    assert (entry.event, entry.actor, entry.more["why"]) == ("override", ADMIN[0], "the beam was off")
    with pytest.raises(MlflowException, match="shashlik release"):
        client.delete_model_version(held, "3")
    assert "is champion, previous" in shell("release", held, "6", "--why", "old").output
    assert "may be deleted" in shell("release", held, "3", "--why", "old").output
    client.delete_model_version(held, "3")
    login(NOBODY)
    assert "has no permission" in shell("rollback", held).output


@pytest.mark.parametrize(
    ("method", "path", "more", "wanted"),
    [
        ("GET", "/journal/..%2f..%2f..%2fetc%2fpasswd", {}, {404}),
        ("GET", "/journal/../../../../../../etc/passwd", {}, {404}),
        ("GET", "/evidence", {"params": {"task": "x' OR '1'='1"}}, {200}),
        ("GET", "/evidence", {"params": {"user": "x'; DROP TABLE runs; --"}}, {200}),
        ("GET", "/evidence", {"params": {"tag": "a'b=c\"d"}}, {200}),
        ("GET", "/leaderboard", {"params": {"quantity": "x", "statistic": "sigma) FROM users --"}}, {200}),
        ("GET", "/leaderboard", {"params": {"quantity": "x", "statistic": "sigma", "limit": 10**9}}, {422}),
        ("GET", "/evidence", {"params": {"since": 10**30}}, {422}),
        ("GET", "/journal/a%00b", {}, {200, 422}),
        ("GET", "/journal/%ff%fe", {}, {200, 422}),
        ("POST", "/journal/toy/note", {"json": {"event": "promote", "version": 1}}, {422}),
        ("POST", "/journal/toy/note", {"json": {"event": "baseline", "version": 1}}, {422}),
        ("POST", "/journal/toy/note", {"data": "{not json", "headers": {"Content-Type": JSON}}, {422}),
        ("PUT", "/evidence", {"json": {"run": "../../etc", "artifact": "x", "evidence": {}}}, {422}),
        ("PUT", "/evidence", {"json": {"run": RUN, "artifact": "x", "evidence": {"kind": "x"}}}, {404}),
        ("GET", "/journal", {"headers": {"Host": "evil.example"}}, {403}),
        ("POST", "/journal/toy/settle", {"headers": {"Origin": "http://evil.example"}}, {403}),
    ],
)
def test_what_means_no_good(
    server: Server, method: str, path: str, more: dict[str, Any], wanted: set[int]
) -> None:
    answer = server.ask(method, f"{PREFIX}{path}", **more)
    assert answer.status_code in wanted, answer.text
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text


def test_names_are_data(server: Server, login: Any, evidence: Evidence) -> None:
    """A name that is HTML comes back as the JSON string that it is, not as a page."""
    name = "<script>alert(1)</script>"
    run = MlflowClient().create_run("0", run_name=name)
    index = RemoteIndex(call)
    index.put(Origin(run.info.run_id, "0", name, "test", "evidence/evidence.json", 1), evidence)
    answer = server.ask("GET", f"{PREFIX}/evidence", params={"run": run.info.run_id})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()[0]["name"] == name


def test_bodies_have_an_end(server: Server) -> None:
    def endless() -> Any:
        for _ in range(MOST_BYTES // 2**20 + 2):
            yield bytes(2**20)

    url = f"{PREFIX}/journal/toy/note"
    host, _, port = server.address.removeprefix("http://").partition(":")
    announced = HTTPConnection(host, int(port), timeout=60)
    announced.putrequest("POST", url)
    announced.putheader("Content-Length", str(10**12))
    announced.endheaders()
    assert announced.getresponse().status == 413
    announced.close()
    assert server.ask("POST", url, data=endless()).status_code == 413
    assert server.ask("GET", "/ready", None).status_code == 200
