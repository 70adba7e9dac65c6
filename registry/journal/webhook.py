"""Webhook: signed messages to an intranet address about verdicts and changes of a champion.

``SHASHLIK_WEBHOOK`` is the address. ``SHASHLIK_WEBHOOK_SECRET``, or the file named by
``SHASHLIK_WEBHOOK_SECRET_FILE``, is the secret shared by both sides. The process that writes to the journal
sends messages after the entry, in a thread: a slow or missing receiver delays nothing and undoes nothing.
mlflow's own webhooks know neither actor nor reason, and refuse intranet addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import socket
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from registry.journal.state import Entry

__all__ = [
    "ADDRESS",
    "EVENTS",
    "SECRET",
    "Undelivered",
    "Webhook",
    "announce",
    "configured",
    "message",
    "settled",
]

ADDRESS, SECRET, SECRET_FILE = ("SHASHLIK_WEBHOOK", "SHASHLIK_WEBHOOK_SECRET", "SHASHLIK_WEBHOOK_SECRET_FILE")
#: Events that are reported.
EVENTS = ("look", "promote", "rollback", "withdraw", "override")
#: Seconds for a connection and for an answer; pauses between attempts.
TIMEOUT = 3.0
PAUSES = (0.5, 1.5)
#: Status codes worth another attempt.
PASSING = {408, 425, 429}

#: One thread, so that messages keep their order. The interpreter waits for it at exit.
_sending = ThreadPoolExecutor(1, "webhook")
_sent: list[Future[None]] = []


class Undelivered(RuntimeError):
    """A message did not arrive, or cannot be sent.

    The text of the exception is the one line shown to users.
    """


@dataclass(frozen=True)
class Webhook:
    """An address and the secret shared with it.

    Parameters
    ----------
    address : str
        ``https``, or ``http`` to a private address.
    secret : bytes
        Key of the signature.
    """

    address: str
    secret: bytes

    @property
    def place(self) -> str:
        """The address without secrets, fit for messages."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def signature(self, moment: str, body: bytes) -> str:
        """Compute the HMAC-SHA-256 of the time, a dot and the body.

        The time prevents a replay of the message as a new one.
        """
        return "sha256=" + hmac.new(self.secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()

    def deliver(self, content: dict[str, Any]) -> None:
        """Send a message, with a few attempts.

        Raises
        ------
        Undelivered
            If no attempt succeeds.
        """
        self._permitted()
        body = json.dumps(content, sort_keys=True).encode()
        reason = ""
        for pause in (*PAUSES, None):
            reason, final = self._attempt(content, body)
            if not reason:
                return
            if final or pause is None:
                break
            time.sleep(pause)
        raise Undelivered(f"the webhook {self.place} did not take {_named(content)}: {reason}")

    def _attempt(self, content: dict[str, Any], body: bytes) -> tuple[str, bool]:
        """Send once; return the reason of a failure, empty on success, and whether it is final."""
        moment = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Shashlik-Event": content["event"],
            "X-Shashlik-Delivery": content["entry"]["hash"],
            "X-Shashlik-Timestamp": moment,
            "X-Shashlik-Signature": self.signature(moment, body),
        }
        with requests.Session() as session:
            # Use neither proxies nor passwords of the environment.
            session.trust_env = False
            try:
                response = session.post(
                    self.address,
                    data=body,
                    headers=headers,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
                code = response.status_code
                response.close()
            except requests.RequestException as error:
                return type(error).__name__, False
        if 200 <= code < 300:
            return "", True
        return f"it answers {code}", code < 500 and code not in PASSING

    def _permitted(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme != "http" or not parts.hostname:
            raise Undelivered(
                f"{ADDRESS}={self.place} is no address: give http://host/path or https://host/path"
            )
        try:
            addresses = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Undelivered(f"the host of {ADDRESS}={self.place} is unknown ({error.strerror})") from error
        for *_, address in addresses:
            if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_private:
                raise Undelivered(
                    f"{ADDRESS}={self.place} leads to {address[0]}, which is not of an intranet: use https"
                )


def configured() -> Webhook | None:
    """Return the webhook of the environment; None if there is none.

    Raises
    ------
    Undelivered
        If it has no secret.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    secret = os.environ.get(SECRET, "")
    if not secret and (file := os.environ.get(SECRET_FILE)):
        try:
            secret = Path(file).read_text().strip()
        except OSError as error:
            raise Undelivered(f"{SECRET_FILE}={file} cannot be read ({error.strerror})") from error
    if not secret:
        raise Undelivered(f"{ADDRESS} is set and {SECRET} is not: without it nobody can trust a message")
    return Webhook(address, secret.encode())


def message(entry: Entry, champion: int | None) -> dict[str, Any]:
    """Build the message about an entry.

    Parameters
    ----------
    entry : Entry
    champion : int or None
        The champion before it.
    """
    more = entry.more
    return {
        "event": entry.event,
        "decision": more.get("decision", "PROMOTE" if entry.event == "promote" else ""),
        "task": entry.task,
        "version": entry.version,
        "previous_champion": champion,
        "actor": entry.actor,
        "time": entry.time,
        "verdict": entry.verdict,
        "reasons": list(more.get("reasons", ())) or [text for text in [more.get("why")] if text],
        "sample": more.get("sample", ""),
        "entry": {"number": entry.number, "hash": entry.hash},
    }


def announce(entry: Entry, champion: int | None) -> None:
    """Send an entry to the webhook, if there is one; never raise.

    Parameters
    ----------
    entry : Entry
        The new entry of the journal.
    champion : int or None
        The champion before it.
    """
    if entry.event not in EVENTS or not os.environ.get(ADDRESS):
        return
    _sent[:] = [sending for sending in _sent if not sending.done()]
    _sent.append(_sending.submit(_send, entry, champion))


def settled(patience: float = 30.0) -> bool:
    """Wait until all messages are sent or given up; return whether they are."""
    end = time.monotonic() + patience
    for sending in list(_sent):
        try:
            sending.result(max(end - time.monotonic(), 0.0))
        except TimeoutError:
            return False
    return True


def _send(entry: Entry, champion: int | None) -> None:
    try:
        hook = configured()
        if hook is not None:
            hook.deliver(message(entry, champion))
    except Exception as error:
        # A verdict stands even if its message is lost.
        line = str(error) if isinstance(error, Undelivered) else f"{type(error).__name__}: {error}"
        hint = f"'shashlik webhook {entry.task} --entry {entry.number}' tells it again"
        print(f"shashlik: {line}; {hint}", file=sys.stderr, flush=True)


def _named(content: dict[str, Any]) -> str:
    return f"entry {content['entry']['number']} of {content['task']} ({content['event']})"
