"""Every error of a command as one clear message and an exit code."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from hunmin.errors import EnvironmentFailure, HunminError, disk_failure, one_line, path_failure
from hunmin.url_secrets import masked


def runs_folder() -> Path:
    """The folder of runs, which also takes the logs of commands without a run."""
    return Path(os.environ.get("HUNMIN_RUNS") or "runs")


@contextmanager
def reported(run_dir: Path) -> Iterator[None]:
    """Print an error of the block and exit with its code; a bug leaves its traceback in the run's logs."""
    try:
        yield
    except BrokenPipeError:  # who read our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit must not fail
        raise typer.Exit(0) from None
    except Exception as error:
        known = known_error(error)
        if known is None:
            log = _write_log(run_dir, error)
            said = masked(f"{type(error).__name__}: {error}")
            print(f"hunmin: a bug: {said}\nThe traceback is in {log}", file=sys.stderr)
            raise typer.Exit(1) from None
        print(f"hunmin: {masked(str(known))}", file=sys.stderr)
        raise typer.Exit(known.exit_code) from None


def known_error(error: BaseException) -> HunminError | None:
    """The user's error inside an exception, however deep Ray wrapped it."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, HunminError):
            cause = getattr(one, "cause", None)  # Ray's class that is both: its text is a traceback
            return _own_words(cause if isinstance(cause, HunminError) else one)
        if (failure := path_failure(one) or _environment(one)) is not None:
            return failure
        inner = [getattr(one, "cause", None), one.__cause__]
        queue += [item for item in inner if isinstance(item, BaseException)]
    return None


def _own_words(error: HunminError) -> HunminError:
    """The error without the advice on retries that Ray Data writes behind a task's message."""
    text = str(error).split("\nFailed to apply UDF")[0]
    return error if text == str(error) else type(error)(text)


def _environment(error: BaseException) -> EnvironmentFailure | None:
    """A failure of the disk or of a process."""
    if (failure := disk_failure(error)) is not None:
        return failure
    if type(error).__name__ == "OutOfMemoryException":  # DuckDB's
        return EnvironmentFailure(
            f"the joins over all rows do not fit ({one_line(error)}); raise data.memory_mb and run the same "
            "command again"
        )
    if type(error).__name__ in ("WorkerCrashedError", "OutOfMemoryError", "ActorDiedError", "NodeDiedError"):
        return EnvironmentFailure(
            f"a worker process was lost ({one_line(error)}); run the same command again to continue"
        )
    return None


def _write_log(run_dir: Path, error: BaseException) -> Path:
    text = masked("".join(traceback.format_exception(error)))
    log = run_dir / "logs" / f"traceback-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    except OSError:
        sys.stderr.write(text)
    return log
