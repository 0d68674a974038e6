"""Jobs of a Ray cluster that is up, through its dashboard. The only file that hands jobs to Ray."""

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hunmin.errors import EnvironmentFailure, InputError, StopRequested, one_line
from hunmin.progress import say
from launcher.backends import Backend, Job, Request, note_job, require_kept_secrets
from launcher.cluster.snapshot import write_snapshot
from launcher.config import load, resolved
from launcher.preflight import check_before_ray

POLL_S = 2.0
UNREACHABLE_LIMIT_S = 300.0  # the dashboard may fail for a while: a head that restarts
STOP_LIMIT_S = 60  # from SIGTERM to SIGKILL when a job is stopped: a run saves; Ray's own limit is 3
AGENT_LIMIT_S = 120.0  # a cluster that has just come up has no agent yet that would take a job


class Jobs:
    """A cluster's jobs."""

    def __init__(self, address: str | None):
        """Connect to http://HOST:PORT of a dashboard; default: $RAY_API_SERVER_ADDRESS, $RAY_ADDRESS.

        Raises:
            InputError: no address, or not of this form.
            EnvironmentFailure: nobody answers there, or ray[default] is not installed.
        """
        given = address or os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or ""
        if not given.startswith(("http://", "https://")):
            raise InputError(
                f"--address {given or 'is missing'}: name the cluster's dashboard as http://HOST:PORT "
                "(usually port 8265), or set RAY_API_SERVER_ADDRESS"
            )
        self.address = given
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            from ray.job_submission import JobSubmissionClient

            self._client = JobSubmissionClient(given)
        except Exception as error:  # Ray's own for a missing token is of no class in common with the others
            raise EnvironmentFailure(
                f"the Ray at {given} takes no jobs from here: {one_line(error)}; is it up, are "
                "RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH as on the cluster, and is ray[default] installed?"
            ) from error

    def submit(self, arguments: Sequence[str], *, working_dir: Path) -> str:
        """Ship the folder and run `hunmin` with these arguments in it. Returns the job's id.

        Raises:
            EnvironmentFailure: the cluster did not take the job.
        """
        deadline = time.monotonic() + AGENT_LIMIT_S
        while True:
            try:
                return self._client.submit_job(
                    entrypoint=shlex.join(["python", "-m", "launcher", *arguments]),
                    runtime_env={
                        "working_dir": str(working_dir),
                        "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_LIMIT_S)},
                    },
                )
            except (RuntimeError, OSError) as error:  # OSError: also what requests raises
                if "No available agent" not in str(error) or time.monotonic() > deadline:
                    raise EnvironmentFailure(
                        f"the Ray at {self.address} did not take the job: {one_line(error)}"
                    ) from error
                time.sleep(POLL_S)

    def wait(self, job_id: str) -> int:
        """Show the job's log until it ends; hunmin's exit code.

        Raises:
            EnvironmentFailure: Ray lost the job, or can no longer be asked.
        """
        shown, answered = 0, time.monotonic()
        while True:
            try:
                info = self._client.get_job_info(job_id)
                log = self._client.get_job_logs(job_id)
            except (RuntimeError, OSError) as error:
                if time.monotonic() - answered > UNREACHABLE_LIMIT_S:
                    raise EnvironmentFailure(
                        f"the Ray at {self.address} no longer tells of job {job_id}: {one_line(error)}; "
                        f"see ray job status --address {self.address} {job_id}"
                    ) from error
                time.sleep(POLL_S)
                continue
            answered = time.monotonic()
            sys.stdout.write(log[shown:])
            sys.stdout.flush()
            shown = len(log)
            if info.status.is_terminal():
                break
            time.sleep(POLL_S)
        say(f"job {job_id}: {info.status.value}")
        if info.status.value == "STOPPED":
            return StopRequested.exit_code
        if info.driver_exit_code is None:
            raise EnvironmentFailure(f"job {job_id} ended before hunmin did: {info.message}")
        return info.driver_exit_code

    def state(self, job_id: str) -> str:
        """Ray's word for the job's state; empty where it knows none of that id.

        Raises:
            EnvironmentFailure: the cluster does not answer.
        """
        try:
            return self._client.get_job_status(job_id).value
        except RuntimeError as error:
            if "does not exist" in str(error):
                return ""
            raise EnvironmentFailure(f"the Ray at {self.address}: {one_line(error)}") from error

    def stop(self, job_id: str) -> None:
        """Ask the job to end: it has STOP_LIMIT_S to save."""
        self._client.stop_job(job_id)


def _run_arguments(request: Request) -> list[str]:
    return ["run", "job.yaml", "--run", str(request.run_dir), *(["--force"] if request.force else [])]


def prepare(request: Request) -> str:
    """The command that the job runs.

    Raises:
        InputError: config or inputs are not as they must be.
    """
    require_kept_secrets(load(request.config, request.overrides)[0])
    check_before_ray(request.config, request.overrides, request.run_dir)
    return shlex.join(["python", "-m", "launcher", *_run_arguments(request)]) + "\n"


def submit(request: Request, command: str) -> Job:
    """Hand a run to a Ray cluster that is up: code and config travel, data stays where it is.

    Raises:
        InputError: no address of a cluster.
        EnvironmentFailure: the cluster did not take the job.
    """
    jobs = Jobs(request.options["address"])
    config, base = load(request.config, request.overrides)
    with tempfile.TemporaryDirectory(prefix="hunmin-job-") as folder:
        shipped = Path(folder) / "code"
        size = write_snapshot(shipped)
        (shipped / "job.yaml").write_text(resolved(config, base=base), encoding="utf-8")
        say(f"code and config: {size / 1e6:.1f} MB; data is not shipped")
        job_id = jobs.submit(_run_arguments(request), working_dir=shipped)
    job = Job(job_id, "ray", jobs.address)
    note_job(job, request.run_dir)
    say(f"job {job_id}; run folder {request.run_dir} on the cluster")
    say(f"  watch:   ray job logs --follow --address {jobs.address} {job_id}")
    say(f"  cancel:  ray job stop --address {jobs.address} {job_id}")
    return job


BACKEND = Backend(
    prepare=prepare,
    submit=submit,
    wait=lambda job, run_dir: Jobs(job.address).wait(job.job_id),
    status=lambda job, run_dir: Jobs(job.address).state(job.job_id),
    cancel=lambda job, run_dir: Jobs(job.address).stop(job.job_id),
    options=frozenset({"address"}),
)
