"""The command line. Read this first: each command is one function, and every error ends here."""

import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from data_pipeline.errors import EnvironmentFailure, HunminError, StopRequested

app = typer.Typer(
    name="hunmin",
    help="훈민: instruction corpora in, an instruction-following model out, with proof of how it got there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="a YAML file, such as configs/quickstart.yaml")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="dotted overrides, such as train.num_steps=20"),
]
RunDir = Annotated[
    Path | None, typer.Option("--run", help="the run folder; default: $HUNMIN_RUNS or runs/, plus the name")
]
Force = Annotated[
    bool, typer.Option("--force", help="go on with another config; stages that change are kept aside")
]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as one JSON object")]


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """All stages: data, train, eval, report; continues where it stopped.

    Example: hunmin run configs/quickstart.yaml train.num_steps=20 --run runs/short
    """
    _stages(("data", "train", "eval", "report"), config, overrides, run_dir, force, as_json)


def _stage_command(name: str, text: str) -> Callable[..., None]:
    def command(
        config: Config,
        overrides: Overrides = None,
        run_dir: RunDir = None,
        force: Force = False,
        as_json: AsJson = False,
    ) -> None:
        _stages((name,), config, overrides, run_dir, force, as_json)

    command.__doc__ = f"{text}\n\nExample: hunmin {name} configs/quickstart.yaml"
    return app.command(name)(command)


_stage_command("data", "Only data: read, validate, split, tokenize, pack.")
_stage_command("train", "Only train: ZeRO-3 ranks on the packs, then the export.")
_stage_command("eval", "Only eval: both models answer held-out rows; scores.")
_stage_command("report", "Only report: one page of what the other stages wrote.")


def _stages(
    names: tuple[str, ...],
    config: Path,
    overrides: list[str] | None,
    run_dir: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    from data_pipeline.lock import run_lock
    from launcher.stages import default_run_dir, open_run, run_stages
    from launcher.summary import as_dict, as_text

    folder = (run_dir or default_run_dir(config, overrides or [], os.environ.get("HUNMIN_RUNS"))).resolve()
    with _errors(folder), _stop_on_signal(), _stdout_to_stderr(as_json):
        from launcher.config import load

        load(config, overrides or [])  # a wrong config leaves no folder behind
        with run_lock(folder):
            opened = open_run(config, overrides or [], folder, force=force)
            manifests = run_stages(opened, names)
        result = as_dict(opened, manifests)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(as_text(result))


@contextmanager
def _stdout_to_stderr(active: bool) -> Iterator[None]:
    """With --json, progress goes to stderr so that stdout is one JSON object."""
    if not active:
        yield
        return
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout


@contextmanager
def _stop_on_signal() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGUSR1 stop the run as a StopRequested; what was committed stays."""

    def stop(number: int, frame: Any) -> None:
        raise StopRequested(f"stopped by {signal.Signals(number).name}; the same command continues")

    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _errors(run_dir: Path) -> Iterator[None]:
    """Every error as one clear message and the exit code the design promises."""
    try:
        yield
    except Exception as error:
        known = _known(error)
        if known is None:
            log = _write_log(run_dir, error)
            print(
                f"hunmin: a bug: {type(error).__name__}: {error}\nThe traceback is in {log}", file=sys.stderr
            )
            raise typer.Exit(1) from None
        print(f"hunmin: {known}", file=sys.stderr)
        raise typer.Exit(known.exit_code) from None


def _known(error: BaseException) -> HunminError | None:
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
            return cause if isinstance(cause, HunminError) else one
        if (failure := _environment(one)) is not None:
            return failure
        inner = [getattr(one, "cause", None), one.__cause__]
        queue += [item for item in inner if isinstance(item, BaseException)]
    return None


def _environment(error: BaseException) -> EnvironmentFailure | None:
    """A failure of the disk or of a process, by errno, by name, or (tokenizers, safetensors) by text."""
    number = error.errno if isinstance(error, OSError) else None
    for disk in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        if number == disk or (number is None and f"(os error {disk})" in str(error)):
            where = getattr(error, "filename", None) or "the disk"
            return EnvironmentFailure(
                f"{where}: {os.strerror(disk)}; nothing half-written is taken for whole: make room (or name "
                "another folder with --run) and run the same command again"
            )
    if type(error).__name__ in ("WorkerCrashedError", "OutOfMemoryError", "ActorDiedError", "NodeDiedError"):
        first = str(error).strip().splitlines()[0]
        return EnvironmentFailure(
            f"a worker process was lost ({first}); run the same command again to continue"
        )
    return None


def _write_log(run_dir: Path, error: BaseException) -> Path:
    text = "".join(traceback.format_exception(error))
    log = run_dir / "logs" / f"traceback-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    except OSError:
        sys.stderr.write(text)
    return log


def main() -> None:
    """The `hunmin` command, and `python -m launcher`."""
    app()
