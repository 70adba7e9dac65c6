"""A real S3-compatible store of a test's own, on the loopback interface: SeaweedFS, one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import free_port

__all__ = ["KEY", "SECRET", "objects"]

KEY, SECRET = "shashlik", "no secret at all"


@contextmanager
def objects(folder: Path) -> Iterator[str]:
    """Address of a store that keeps everything below `folder`."""
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    port = free_port()
    words = [
        str(Path(sys.executable).with_name("weed")),
        "-logtostderr",
        "server",
        "-s3",
        f"-s3.port={port}",
        f"-s3.config={folder / 's3.json'}",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=20",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    for part in ("master", "volume", "filer"):
        words += [f"-{part}.port={free_port()}", f"-{part}.port.grpc={free_port()}"]
    words.append(f"-s3.port.grpc={free_port()}")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            words, cwd=folder, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, folder / "log")
        yield address
    finally:
        # It lets a polite signal pass.
        process.kill()
        process.wait(60)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # It answers.
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"SeaweedFS does not answer: {log.read_text()[-3000:]}")
