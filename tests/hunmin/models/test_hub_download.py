"""Weights from a hub that stands on this machine: slow is life, standing still is one message."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMIT = "1" * 40
WEIGHTS = bytes(range(256)) * 4_000  # 1 MB
CONFIG = b'{"model_type": "llama"}'

CODE = """
import sys, time
from pathlib import Path
from hunmin.errors import HunminError
from hunmin.models import hub_download
from hunmin.models.folder import locate_model

hub_download.LOOK_EVERY_S, hub_download.STANDSTILL_S = 0.1, float(sys.argv[3])
beats = []
try:
    folder = locate_model(sys.argv[1], base=Path(sys.argv[2]), alive=lambda: beats.append(time.monotonic()))
    print(folder.name, (folder / "model.safetensors").stat().st_size, len(beats))
except HunminError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_code)
"""


@dataclass
class Hub:
    """Serves one model, in pieces with a pause between; after `stop_after` bytes it says no more."""

    url: str = ""
    pause_s: float = 0.0
    stop_after: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        for start in range(0, len(WEIGHTS), 100_000):
            if self.stop_after is not None and start >= self.stop_after:
                self.ended.wait(60)
                return
            handler.wfile.write(WEIGHTS[start : start + 100_000])
            handler.wfile.flush()
            time.sleep(self.pause_s)


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    files = {"config.json": CONFIG, "model.safetensors": WEIGHTS}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.split("?")[0].rpartition("/")[2]
            if not self.path.startswith(("/api/models/owner/tiny", "/owner/tiny/")):
                return self._send(b"", with_body, {"X-Error-Code": "RepoNotFound"}, status=404)
            if self.path.startswith("/api") and "/tree/" in self.path:
                tree = [
                    {"type": "file", "path": key, "size": len(value), "oid": key}
                    for key, value in files.items()
                ]
                return self._send(json.dumps(tree).encode(), with_body, {})
            if self.path.startswith("/api"):
                info = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": key} for key in files]}
                return self._send(json.dumps(info).encode(), with_body, {})
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{name}"'}
            return self._send(files[name], with_body, headers, slowly=name == "model.safetensors")

        def _send(
            self,
            data: bytes,
            with_body: bool,
            headers: dict[str, str],
            *,
            status: int = 200,
            slowly: bool = False,
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if not with_body:
                return
            if slowly:
                with contextlib.suppress(BrokenPipeError):  # the one that asked was ended
                    made.write(self)
            else:
                self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    made.ended.set()
    server.shutdown()
    server.server_close()


def fetched(hub: Hub, tmp_path: Path, *, name: str = "owner/tiny", standstill_s: float) -> tuple[int, str]:
    """Exit code and words of a process that asks for the model."""
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}
    environment = {key: value for key, value in os.environ.items() if key not in offline}
    done = subprocess.run(
        [sys.executable, "-c", CODE, name, str(tmp_path), str(standstill_s)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env=environment
        | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        | {"HF_HUB_DOWNLOAD_TIMEOUT": "60", "PYTHONPATH": str(ROOT)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def test_a_slow_download_is_seen_to_live(hub: Hub, tmp_path: Path) -> None:
    hub.pause_s = 0.4  # ten pieces: longer in all than it may stand still
    code, said = fetched(hub, tmp_path, standstill_s=2.5)
    folder, size, beats = said.split()
    assert (code, folder, int(size)) == (0, COMMIT, len(WEIGHTS))
    assert int(beats) >= 3


def test_a_download_that_stands_still_ends_in_one_message(hub: Hub, tmp_path: Path) -> None:
    hub.stop_after = 300_000
    start = time.monotonic()
    code, said = fetched(hub, tmp_path, standstill_s=2.0)
    assert time.monotonic() - start < 45, "neither the hub's own limit nor a thread that waits holds it up"
    assert code == 4
    assert "model.path owner/tiny: the download stands still: not a byte for 2 s" in said
    assert "run the same command again" in said


def test_what_the_hub_does_not_have_is_wrong_input(hub: Hub, tmp_path: Path) -> None:
    code, said = fetched(hub, tmp_path, name="owner/other", standstill_s=30)
    assert code == 2
    assert "neither a folder" in said


def test_a_hub_that_is_not_there_may_be_tried_again(hub: Hub, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    code, said = fetched(hub, tmp_path, standstill_s=60)
    assert code == 4
    assert "the hub does not give it" in said
