"""Jobs of Ray through a dashboard that answers as Ray's does, and then not at all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from launcher.cluster.snapshot import ROOT


class Dashboard(ThreadingHTTPServer):
    """Takes a job; tells of it `answers` times, and then closes every connection unanswered."""

    answers = 0
    job: dict[str, Any] = {}  # noqa: RUF012  # one of a test


class Handler(BaseHTTPRequestHandler):
    server: Dashboard  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if self.path.startswith("/api/jobs/"):
            if self.server.answers <= 0:
                self.close_connection = True  # as a head that is down
                return
            self.server.answers -= 1
            if self.path.endswith("/logs"):
                self._answer({"logs": ""})
                return
        import ray

        version = {"version": "4", "ray_version": ray.__version__, "ray_commit": "", "session_name": "s"}
        of_job = {"type": "SUBMISSION", "submission_id": "j", "status": "RUNNING", "entrypoint": "x"}
        self._answer(of_job if self.path.startswith("/api/jobs/") else version)

    def do_POST(self) -> None:
        self.server.job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({"job_id": "j", "submission_id": "j"})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with Dashboard(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def client(dashboard: Dashboard, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Code with `jobs`, in a process of its own: Ray reads once whether it must show a token."""
    begin = """
import sys
from pathlib import Path
from hunmin.errors import EnvironmentFailure
from launcher.backends import ray as ray_job
ray_job.POLL_S, ray_job.UNREACHABLE_LIMIT_S = 0.05, 0.3
try:
    jobs = ray_job.Jobs(sys.argv[1])
"""
    end = "except EnvironmentFailure as error:\n    print(f'failure: {error}')\n"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"{begin}    {code}\n{end}",
            f"http://127.0.0.1:{dashboard.server_address[1]}",
        ],
        cwd=ROOT,
        env=kept | {"RAY_AUTH_MODE": "disabled"} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def submission(folder: Path) -> str:
    (folder / "file").write_text("code")
    return f"print(jobs.submit(['run', 'job.yaml'], working_dir=Path({str(folder)!r})))"


def test_a_stopped_job_has_the_time_to_save(dashboard: Dashboard, tmp_path: Path) -> None:
    done = client(dashboard, submission(tmp_path))
    assert done.stdout == "j\n", done.stderr
    assert dashboard.job["runtime_env"]["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": "60"}


def test_a_dashboard_that_no_longer_answers_is_one_message_after_a_while(dashboard: Dashboard) -> None:
    dashboard.answers = 4
    done = client(dashboard, "jobs.wait('j')")
    assert "no longer tells of job j: " in done.stdout, done.stderr
    assert dashboard.answers == 0  # it went on while there were answers


def test_a_cluster_that_breaks_off_the_submission_is_one_message(
    dashboard: Dashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "do_POST", lambda self: setattr(self, "close_connection", True))
    done = client(dashboard, submission(tmp_path))
    assert "did not take the job" in done.stdout, done.stderr


def test_a_token_that_is_not_there_is_one_message(dashboard: Dashboard, tmp_path: Path) -> None:
    done = client(dashboard, submission(tmp_path), RAY_AUTH_MODE="token", HOME=str(tmp_path))
    assert "takes no jobs from here: Token authentication is enabled" in done.stdout, done.stderr
