"""Jobs of a Ray cluster that is up, through its dashboard. The only file that hands jobs to Ray."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hunmin.errors import EnvironmentFailure, InputError, StopRequested, one_line
from hunmin.progress import say

POLL_S = 2.0
UNREACHABLE_LIMIT_S = 300.0  # the dashboard may fail for a while: a head that restarts
STOP_LIMIT_S = 60  # from SIGTERM to SIGKILL when a job is stopped: a run saves; Ray's own limit is 3
AGENT_LIMIT_S = 120.0  # a cluster that has just come up has no agent yet that would take a job


class Jobs:
    """A cluster's jobs."""

    def __init__(self, address: str | None):
        """Connect.

        Args:
            address: http://HOST:PORT of the dashboard; default: $RAY_API_SERVER_ADDRESS, $RAY_ADDRESS.

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
