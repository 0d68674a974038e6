"""The command line. Read this first: each command is one function."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hunmin.errors import InputError, StopRequested
from hunmin.registry import members
from launcher.failures import reported, runs_folder
from launcher.help.pages import App, GroupHelp

app = App(
    name="hunmin",
    cls=GroupHelp,
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
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or its name below runs/")]
PackNumber = Annotated[int | None, typer.Option("--pack", min=0, help="the pack of this number")]
RowId = Annotated[
    str | None,
    typer.Option("--row", metavar="ID", help="the row of this id, such as reviews:a.tsv:12.0"),
]
Epoch = Annotated[int, typer.Option("--epoch", min=0, help="of the pack; each epoch counts its own")]


OfSplit = Annotated[Literal["train", "val"], typer.Option("--split", help="of the pack")]


# Every module of backends/ is a place where a run can be handed over.
BACKENDS = members(Path(__file__).parent / "backends", first=("slurm", "ray"))
if TYPE_CHECKING:
    Target = str
else:
    Target = Literal[BACKENDS]


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="also look at what this config needs")
    ] = None,
    network: Annotated[
        bool, typer.Option("--network", help="also try whether the model hub answers")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What this machine has, what is missing, and what to type to install it.

    Example: hunmin doctor configs/quickstart.yaml
    """
    from launcher.doctor.doctor import as_text, doctor, findings_json

    with reported(runs_folder()):
        found, code = doctor(config, network=network)
    print(findings_json(found, code) if as_json else as_text(found))
    raise typer.Exit(code)


@app.command()
def init(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="tables, JSON, Parquet, Arrow, .po, or two line-parallel texts"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="the config to write")] = Path("my.yaml"),
    task: Annotated[
        str | None, typer.Option("--task", help="a shipped task (sentiment, …) or a name of your own")
    ] = None,
    ask: Annotated[
        str | None, typer.Option("--ask", help="the instruction of a task of your own, in your words")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="FIELD=COLUMN: which column is input, answer, label …"),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="alpaca, sharegpt, messages, table, parallel …; else detected"),
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="utf-8, cp949 …; else detected")] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="tab, comma, semicolon, or the sign; else detected")
    ] = None,
) -> None:
    """A config for your own files, ready for hunmin run; says what it saw.

    Example: hunmin init reviews.csv --task sentiment --out reviews.yaml
    """
    from launcher.init.detected import Hints, parse_columns
    from launcher.init.write import as_text, init

    with reported(runs_folder()):
        hints = Hints(file_format, task, encoding, delimiter, parse_columns(column or []))
        written = init(files, out=out, hints=hints, ask=ask)
    print(as_text(written))


def _stage_command(name: str, stages: tuple[str, ...], text: str, *, arguments: str = "") -> None:
    """The command that brings these stages to their end."""

    @app.command(name, help=f"{text}\n\nExample: hunmin {name} configs/quickstart.yaml{arguments}")
    def command(
        config: Config,
        overrides: Overrides = None,
        run_dir: RunDir = None,
        force: Force = False,
        as_json: AsJson = False,
    ) -> None:
        _bring_to_end(stages, config, overrides or [], run_dir, force=force, as_json=as_json)


def _bring_to_end(
    stages: tuple[str, ...],
    config: Path,
    overrides: list[str],
    run_dir: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from hunmin.lock import run_lock
    from launcher.cluster.slurm_commands import has_job_ended
    from launcher.commands.summary import as_dict, as_text
    from launcher.run import default_run_dir, open_run, require_begun
    from launcher.stages import run_stages

    folder = (run_dir or default_run_dir(config, overrides)).resolve()
    with reported(folder), _stop_on_signal(), _stdout_to_stderr(as_json):
        from launcher.config import load

        load(config, overrides)  # a wrong config or folder leaves none behind
        require_begun(folder, stages)
        with run_lock(folder, has_job_ended=has_job_ended):
            opened = open_run(config, overrides, folder, force=force)
            done = run_stages(opened, stages)
        result = as_dict(opened, done)
    print(json.dumps(result, ensure_ascii=False) if as_json else as_text(result))


_stage_command(
    "run",
    ("data", "train", "eval", "report"),
    "All stages: data, train, eval, report; continues where it stopped.",
    arguments=" train.num_steps=20 --run runs/short",
)
_stage_command("data", ("data",), "Only data: read, validate, split, tokenize, pack.")
_stage_command("train", ("train",), "Only train: ZeRO-3 ranks on the packs, then the export.")
_stage_command("eval", ("eval",), "Only eval: both models answer held-out rows; scores.")


@app.command()
def report(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|RUN", help="a YAML file; or a run folder, or its name below runs/"),
    ],
    others: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE|RUN]...", help="overrides of the config; or runs to set beside the first"
        ),
    ] = None,
    run_dir: RunDir = None,
    force: Force = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="several runs: the page; default: beside the first run")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Only report: one page of what the other stages wrote; or of several runs side by side.

    Example: hunmin report runs/plain runs/prefixed
    """
    from launcher.inspect.report_of import as_text, what_is_asked, write_beside

    with reported(runs_folder()):
        asked = what_is_asked(config, others or [], run_dir=run_dir, force=force, out=out)
        page = write_beside(asked.runs, out=out) if asked.runs else None
    if page is not None:
        print(json.dumps(page, ensure_ascii=False) if as_json else as_text(page))
        return
    _bring_to_end(("report",), asked.config, asked.overrides, asked.run_dir, force=force, as_json=as_json)


@app.command()
def plan(
    config: Config,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """What training would take: steps, memory of a rank, disk, and DeepSpeed's settings.

    Example: hunmin plan configs/quickstart.yaml cluster.num_workers=4
    """
    from launcher.commands import plan as planning

    with reported(runs_folder()):
        from launcher.run import default_run_dir

        folder = run_dir or default_run_dir(config, overrides or [])
        found = planning.plan_of(config, overrides or [], folder)
    print(planning.as_json(found) if as_json else planning.as_text(found), flush=True)
    with reported(runs_folder()):
        planning.require_fit(found)


@app.command()
def show(
    run_dir: RunFolder,
    pack: PackNumber = None,
    row: RowId = None,
    split: OfSplit = "train",
    epoch: Epoch = 0,
    ids: Annotated[bool, typer.Option("--ids", help="also the ids of the tokens")] = False,
    rejected: Annotated[
        str | None,
        typer.Option(metavar="[REASON]", help="what was not kept, for this reason or for any, and its text"),
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="only what this source had")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many of them; default: 20")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="write it as a page to this file instead")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is trained in a pack, where a row stands, or what was rejected.

    Example: hunmin show runs/quickstart --pack 3
    """
    from launcher.inspect import show as inspecting

    with reported(runs_folder()):
        asked = {"rejected": rejected, "source": source, "limit": limit}
        shown = inspecting.show(run_dir, pack=pack, row=row, split=split, epoch=epoch, **asked)
        if html is not None:
            inspecting.write_page(html, shown, ids=ids)
            print(f"written: {html}", file=sys.stderr if as_json else sys.stdout)
        if as_json:
            print(inspecting.as_json(shown))
        elif html is None:
            inspecting.print_text(shown, ids=ids)


@app.command()
def rows(
    run_dir: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="where to: a .jsonl or a .parquet file")],
    split: Annotated[
        Literal["train", "val", "heldout"], typer.Option("--split", help="which rows")
    ] = "train",
    epoch: Annotated[int, typer.Option("--epoch", min=0, help="as rendered in this epoch")] = 0,
) -> None:
    """Write the rendered rows as messages, each checked against its pack.

    Example: hunmin rows runs/quickstart rows.jsonl --epoch 1
    """
    from launcher.inspect.export_rows import export_rows

    with reported(runs_folder()), _stop_on_signal():
        count = export_rows(run_dir, file, split=split, epoch=epoch)
    proof = "as eval asks them" if split == "heldout" else "each has the ids of its pack"
    print(f"written: {file} ({count:,} rows; {proof})")


@app.command()
def trace(
    run_dir: RunFolder,
    pack: PackNumber = None,
    token: Annotated[int | None, typer.Option("--token", min=0, help="its position in the pack")] = None,
    row: RowId = None,
    split: OfSplit = "train",
    epoch: Epoch = 0,
    as_json: AsJson = False,
) -> None:
    """Where a token of a pack came from, read again from its source; or where a row went.

    Example: hunmin trace runs/quickstart --pack 3 --token 120
    """
    from launcher.inspect import trace as inspecting

    with reported(runs_folder()):
        traced = inspecting.trace(run_dir, pack=pack, token=token, row=row, split=split, epoch=epoch)
        if as_json:
            print(inspecting.as_json(traced))
        else:
            inspecting.print_text(traced)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or its name below runs/")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or its name below runs/")],
    as_json: AsJson = False,
) -> None:
    """Two runs side by side: settings, counts, scores and their difference.

    Example: hunmin diff runs/plain runs/prefixed
    """
    from launcher.inspect.diff import as_text
    from launcher.inspect.diff import diff as differ

    with reported(runs_folder()):
        found = differ(first, second)
    print(json.dumps(found, ensure_ascii=False) if as_json else as_text(found))


@app.command()
def judge(
    run_dir: RunFolder,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="an OpenAI-compatible endpoint, http://HOST/v1; default: $HUNMIN_JUDGE_URL"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="its model; default: $HUNMIN_JUDGE_MODEL; a key: only $HUNMIN_JUDGE_KEY"
        ),
    ] = None,
    local: Annotated[
        Path | None, typer.Option("--local", help="instead: a model folder or a run on this machine")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="pairs at most, evenly over tasks")] = 100,
    requests: Annotated[int, typer.Option("--requests", min=1, max=256, help="at a time")] = 4,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="seconds of a try")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Let a model compare the answers of base and tuned, in both orders.

    Example: hunmin judge runs/quickstart --url http://127.0.0.1:8000/v1 --model judge
    """
    from launcher.commands import judge_command

    with reported(runs_folder()), _stop_on_signal(), _stdout_to_stderr(as_json):
        found = judge_command.judge(
            run_dir,
            url=url,
            model=model,
            local=local,
            samples=samples,
            num_requests=requests,
            timeout_s=timeout,
        )
    print(json.dumps(found, ensure_ascii=False) if as_json else judge_command.as_text(found))


@app.command()
def chat(
    run_dir: RunFolder,
    base: Annotated[bool, typer.Option("--base", help="talk to the model before training")] = False,
    max_new_tokens: Annotated[
        int | None,
        typer.Option("--max-new-tokens", min=1, help="where an answer is cut; default: as in eval"),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help="0 always takes the likeliest token")
    ] = 0.0,
    system: Annotated[str | None, typer.Option("--system", help="a system message before it all")] = None,
) -> None:
    """Talk to the trained model of a run in the terminal.

    Example: hunmin chat runs/quickstart
    """
    from launcher.commands.chat import chat

    with reported(runs_folder()):
        chat(run_dir, base=base, max_new_tokens=max_new_tokens, temperature=temperature, system=system)


@app.command()
def human(
    context: typer.Context,
    action: Annotated[
        Literal["export", "import"], typer.Argument(metavar="export|import", help="forms out; ratings in")
    ],
    run_dir: RunFolder,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="import: what came back: CSV, XLSX, JSON")
    ] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="export: two answers side by side, instead of one")
    ] = False,
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=1000, help="export: questions, drawn evenly over the tasks")
    ] = 50,
    raters: Annotated[
        int, typer.Option("--raters", min=1, max=100, help="export: people who rate; a form each")
    ] = 2,
    language: Annotated[
        Literal["ko", "en"] | None,
        typer.Option("--language", help="export: the forms' language; default: the terminal's"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have people rate the answers: blinded forms out, ratings and agreement in.

    Example: hunmin human export runs/quickstart --pairwise --raters 3
    """
    with reported(runs_folder()), _stdout_to_stderr(as_json):
        given = {
            name: (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT"
            for name in ("files", "pairwise", "samples", "raters", "language")
        }
        for_other = {"export": ["files"], "import": ["pairwise", "samples", "raters", "language"]}[action]
        if useless := [name for name in for_other if given[name]]:
            raise InputError(f"{', '.join(useless)}: not for human {action}; leave out")
        from launcher.commands import human as people
        from launcher.help.korean import is_korean

        if action == "export":
            handed_out = people.hand_out(
                run_dir,
                mode="pairwise" if pairwise else "absolute",
                samples=samples,
                raters=raters,
                language=language or ("ko" if is_korean(os.environ) else "en"),
            )
            text, found = people.handed_out_text(handed_out), {"files": list(map(str, handed_out.files))}
        else:
            taken_in = people.take_in(run_dir, files or [])
            text, found = people.taken_in_text(taken_in), dict(taken_in.scores)
    print(json.dumps(found, ensure_ascii=False) if as_json else text)


@app.command()
def fetch(
    config: Config,
    overrides: Overrides = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="the folder; default: fetched/, plus the name")
    ] = None,
) -> None:
    """Model and data into one folder, for machines without a network.

    Example: hunmin fetch configs/smollm2_135m.yaml --to /shared/smollm2
    """
    from launcher.commands.fetch import fetch as bring

    with reported((to or Path()).resolve()), _stop_on_signal():
        bring(config, overrides or [], to=to)


@app.command()
def bench(
    run_dir: RunFolder,
    suite: Annotated[
        str,
        typer.Option("--suite", metavar="NAME", help="kmmlu, kobest, gsm8k …, or a file.yaml of your own"),
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="where the questions lie; default: fetched/benchmarks"),
    ] = None,
    fetch_data: Annotated[
        bool, typer.Option("--fetch", help="only bring the questions into that folder, and end")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="the first so many of each task, for a try")
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=0, max=100, help="worked examples before a question; default: the suite's"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="questions at a time; default: eval.batch_size of the run")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Benchmarks that others use, asked before and after training, by lm-evaluation-harness.

    Example: hunmin bench runs/quickstart --suite kobest_dev --data KoBEST_datarepo/v1.0
    """
    from launcher.commands import bench as benching

    with reported(runs_folder()), _stop_on_signal(), _stdout_to_stderr(as_json):
        found = benching.bench(
            run_dir,
            suite_name=suite,
            data=data,
            fetch=fetch_data,
            limit=limit,
            shots=shots,
            batch_size=batch_size,
        )
    if found is not None:
        print(json.dumps(found, ensure_ascii=False) if as_json else benching.as_text(found))


@app.command()
def submit(
    context: typer.Context,
    config: Config,
    to: Annotated[
        Target,
        typer.Option(
            "--to", help="slurm; ray: a Ray cluster that is up; here: this machine, in the background"
        ),
    ],
    overrides: Overrides = None,
    nodes: Annotated[int | None, typer.Option("--nodes", min=1, help="slurm: hosts; default: 1")] = None,
    gpus_per_node: Annotated[
        int | None, typer.Option(min=0, help="slurm: GPUs a host; default: as cluster says")
    ] = None,
    cpus_per_node: Annotated[
        int | None, typer.Option(min=1, help="slurm: cores a host; default: cluster.num_cpus")
    ] = None,
    time: Annotated[str | None, typer.Option(help="slurm: limit, such as 2:00:00")] = None,
    partition: Annotated[str | None, typer.Option(help="slurm: as sbatch")] = None,
    account: Annotated[str | None, typer.Option(help="slurm: as sbatch")] = None,
    address: Annotated[str | None, typer.Option(help="ray: http://HOST:PORT; default: $RAY_ADDRESS")] = None,
    run_dir: RunDir = None,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="slurm: only print the job script")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="show the log, end with the job's exit code")] = False,
) -> None:
    """Hand a run over: all stages as a job of SLURM, of Ray, or of this machine.

    Example: hunmin submit configs/quickstart.yaml --to slurm --nodes 2 --time 1:00:00
    """
    from launcher.backends import Request, hand_over
    from launcher.run import default_run_dir

    folder = (run_dir or default_run_dir(config, overrides or [])).resolve()
    options = {"nodes": nodes, "gpus_per_node": gpus_per_node, "cpus_per_node": cpus_per_node}
    options |= {"time": time, "partition": partition, "account": account, "address": address}
    with reported(folder):
        _refuse_options_of_another(to, [*options, "dry_run"], context)
        request = Request(config, overrides or [], folder, force, options)
        code = hand_over(to, request, dry_run=dry_run, wait=wait)
    raise typer.Exit(code)


def _refuse_options_of_another(target: str, names: list[str], context: typer.Context) -> None:
    """An option that would do nothing is a mistake, above all --dry-run.

    Raises:
        InputError: names the options and the backends that they are for.
    """
    from launcher.backends import backend_of

    readers = {name: [one for one in BACKENDS if name in backend_of(one).options] for name in names}
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, source in sources.items() if source and source.name != "DEFAULT"]
    useless = [name for name in given if target not in readers[name]]
    if useless:
        listed = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        others = " or ".join(readers[useless[0]])
        raise InputError(f"{listed}: only for --to {others}, and this is --to {target}; leave out")


@app.command()
def status(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="run folders, or names below runs/")],
    watch: Annotated[bool, typer.Option("--watch", help="again every few seconds, until Ctrl-C")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how runs stand: job, stages, the training's numbers.

    Example: hunmin status runs/quickstart
    """
    from launcher.commands.status import as_json as to_json
    from launcher.commands.status import as_text, state_of
    from launcher.commands.watch import repeat

    with reported(runs_folder()):
        render = to_json if as_json else as_text
        repeat(lambda: render([state_of(run) for run in runs]), forever=watch)


@app.command()
def wait(run: RunFolder) -> None:
    """Show the log of a run's job until it ends, and end with its exit code.

    Example: hunmin wait runs/quickstart
    """
    from launcher.commands import jobs

    with reported(runs_folder()):
        code = jobs.wait(run)
    raise typer.Exit(code)


@app.command()
def cancel(run: RunFolder) -> None:
    """Ask the job of a run to save and end; submitting again continues.

    Example: hunmin cancel runs/quickstart
    """
    from launcher.commands import jobs

    with reported(runs_folder()):
        jobs.cancel(run)


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
        if number != signal.SIGINT:  # a second one would break into what cleans up
            signal.signal(number, signal.SIG_IGN)
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a sign is no failure
    app(prog_name="hunmin")
