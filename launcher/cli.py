"""The command line. Read this first: each command is one function."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from data_pipeline.errors import StopRequested
from launcher.failures import reported

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
    with reported(folder), _stop_on_signal(), _stdout_to_stderr(as_json):
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


def main() -> None:
    """The `hunmin` command, and `python -m launcher`."""
    app()
