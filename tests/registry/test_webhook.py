"""The webhook against a real server: what it is told, how it can be sure, and what its failures do."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from consoles import Shell, train
from nursery import Nursery

from registry.journal import webhook
from registry.journal.direct import Journal
from tracking.database import opened

SECRET = "a secret of both sides"

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.answers: list[int] = []
        self.slow = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wanted = hmac.new(
                    SECRET.encode(),
                    self.headers["X-Shashlik-Timestamp"].encode() + b"." + body,
                    hashlib.sha256,
                )
                assert self.headers["X-Shashlik-Signature"] == f"sha256={wanted.hexdigest()}"
                assert abs(time.time() - int(self.headers["X-Shashlik-Timestamp"])) < 300
                outer.got.append((json.loads(body), dict(self.headers)))
                time.sleep(outer.slow)
                code = outer.answers.pop(0) if outer.answers else 204
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", f"{outer.address}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def events(self) -> list[tuple[str, str, int | None, int | None]]:
        assert webhook.settled()
        return [
            (told["event"], told["decision"], told["version"], told["previous_champion"])
            for told, _ in self.got
        ]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    monkeypatch.setenv(webhook.ADDRESS, f"{made.address}/hook?room=ecal")
    monkeypatch.setenv(webhook.SECRET, SECRET)
    monkeypatch.setattr(webhook, "PAUSES", (0.01, 0.01))
    yield made
    assert webhook.settled()
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with opened(f"sqlite:///{tmp_path / 'journal.db'}") as engine:
        yield Journal(engine)


def promote(journal: Journal, version: int, expected: int | None) -> None:
    details = {"reasons": ["narrower"], "sample": "cd" * 32}
    journal.promote("toy", version, expected=expected, verdict="ab" * 32, details=details)


@pytest.mark.filterwarnings("ignore:.*MLflow doesn't validate the data:UserWarning")
def test_it_is_told_what_commands_decide(promoted: Shell, receiver: Receiver) -> None:
    train(promoted, "bad")
    promoted("promote", "toy", code=1)
    promoted("promote", "toy", "--model", "3")
    assert receiver.events() == [
        ("look", "REJECT", 4, 1),
        ("look", "PROMOTE", 3, 1),
        ("promote", "PROMOTE", 3, 1),
    ]
    rejected = receiver.got[0][0]
    assert rejected["task"] == "toy"
    assert "@" in rejected["actor"]
    assert len(rejected["verdict"]) == 64
    assert "core width of t relative to champion" in rejected["reasons"][0]
    told = promoted("webhook", "toy").output
    number = receiver.got[-1][0]["entry"]["number"]
    assert told == f"{receiver.address}/hook was told of entry {number} of toy (promote)\n"
    assert receiver.got[-1][0] == receiver.got[-2][0], "the same message, to be recognised by its hash"


def test_changes_of_a_champion(receiver: Receiver, journal: Journal) -> None:
    promote(journal, 1, None)
    promote(journal, 2, 1)
    journal.note("toy", "baseline", 9, {"name": "fit"})
    journal.rollback("toy", expected=2, details={"why": "it was wrong"})
    journal.withdraw("toy", 1, {"why": "gone"})
    journal.override("toy", "champion", 2, "the beam was off")
    assert receiver.events() == [
        ("promote", "PROMOTE", 1, None),
        ("promote", "PROMOTE", 2, 1),
        ("rollback", "", 1, 2),
        ("withdraw", "", None, 1),
        ("override", "", 2, None),
    ]
    assert [told["reasons"] for told, _ in receiver.got] == [
        ["narrower"],
        ["narrower"],
        ["it was wrong"],
        ["gone"],
        ["the beam was off"],
    ]
    entries = journal.entries("toy")
    assert receiver.got[2][0]["entry"] == {"number": 4, "hash": entries[3].hash}
    assert receiver.got[2][1]["X-Shashlik-Delivery"] == entries[3].hash


@pytest.mark.parametrize(
    ("answers", "attempts", "arrives"),
    [([500], 2, True), ([503, 429], 3, True), ([500] * 3, 3, False), ([404], 1, False), ([302], 1, False)],
)
def test_attempts(
    receiver: Receiver,
    journal: Journal,
    capfd: pytest.CaptureFixture[str],
    answers: list[int],
    attempts: int,
    arrives: bool,
) -> None:
    """What may pass is tried again; a redirection is not followed."""
    receiver.answers = list(answers)
    promote(journal, 1, None)
    assert len(receiver.events()) == attempts
    told = capfd.readouterr().err
    assert (told == "") == arrives
    if not arrives:
        assert told == (
            f"shashlik: the webhook {receiver.address}/hook did not take entry 1 of toy (promote): it "
            f"answers {answers[0]}; 'shashlik webhook toy --entry 1' tells it again\n"
        )
    assert journal.state("toy").champion == 1


def test_a_slow_receiver_holds_up_nobody(
    receiver: Receiver, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.slow = 0.5
    begin = time.monotonic()
    promote(journal, 1, None)
    promote(journal, 2, 1)
    assert len(receiver.got) < 2, "the second message waits for the first, and the journal for neither"
    assert [event[2] for event in receiver.events()] == [1, 2]
    assert time.monotonic() - begin >= 1.0


def test_a_hanging_receiver_is_given_up(
    receiver: Receiver, journal: Journal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", 0.1)
    receiver.slow = 0.4
    promote(journal, 1, None)
    assert webhook.settled()
    assert "ReadTimeout; 'shashlik webhook toy" in capfd.readouterr().err


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "nobody listens": ({webhook.ADDRESS: "http://127.0.0.1:9/hook"}, "ConnectionError"),
    "a public address in plain text": (
        {webhook.ADDRESS: "http://user:password@192.0.43.8/hook"},
        "SHASHLIK_WEBHOOK=http://192.0.43.8/hook leads to 192.0.43.8, which is not of an intranet: use https",
    ),
    "another scheme": ({webhook.ADDRESS: "file:///etc/passwd"}, "is no address: give http://host/path"),
    "no such host": ({webhook.ADDRESS: "http://no-such-host.invalid/"}, "is unknown"),
    "no secret": ({webhook.SECRET: ""}, "SHASHLIK_WEBHOOK_SECRET is not: without it"),
    "no secret's file": ({webhook.SECRET: "", webhook.SECRET_FILE: "/nowhere"}, "/nowhere cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(
    receiver: Receiver,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    changes, told = WRONG[case]
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    promote(journal, 1, None)
    assert receiver.events() == []
    line = capfd.readouterr().err
    assert told in line
    assert line.count("\n") == 1
    assert "password" not in line
    assert journal.state("toy").champion == 1


def test_a_secret_may_be_in_a_file(
    receiver: Receiver, journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.delenv(webhook.SECRET)
    monkeypatch.setenv(webhook.SECRET_FILE, str(tmp_path / "secret"))
    promote(journal, 1, None)
    assert len(receiver.events()) == 1


def test_proxies_and_passwords_of_the_environment_are_not_used(
    receiver: Receiver, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    promote(journal, 1, None)
    assert len(receiver.events()) == 1


def test_a_process_waits_for_its_last_message(receiver: Receiver, nursery: Nursery, tmp_path: Path) -> None:
    receiver.slow = 0.3
    code = (
        "from registry.journal.direct import Journal\n"
        "from tracking.database import opened\n"
        f"with opened('sqlite:///{tmp_path}/own.db') as engine:\n"
        "    Journal(engine).note('toy', 'look', 3, {'decision': 'REJECT', 'reasons': ['wider']}, 'ab' * 32)"
    )
    assert nursery.run(code) == (0, "")
    assert receiver.events() == [("look", "REJECT", 3, None)]
