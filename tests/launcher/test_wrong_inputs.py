"""Wrong input as users give it, for every command: one clear message, the exit code, no Ray, no traceback."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.cli import app
from launcher.cluster import ray_cluster
from launcher.doctor import doctor

CONFIG = """\
name: t
model: {from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}
data:
  seq_len: 128
  sources: [{name: a, format: alpaca, path: a.jsonl}]
"""
FILES = {
    "t.yaml": CONFIG,
    "list.yaml": "- a\n",
    "empty.yaml": "",
    "tab.yaml": "name: t\n\tmodel: x\n",
    "bin.yaml": b"\xff\xfe\x00",
    "noname.yaml": "model: {path: x}\n",
    "twice.yaml": "name: t\nname: u\nmodel: {path: x}\n",
    "lone.txt": "no JSON here\n",
    "quote.tsv": 'text\tlabel\n"a\t1\n',
    "t.csv": "text,label\n좋아요,1\n",
    "broken.jinja": "{% for m in messages %}{{ m['content'] }",
    "notarun/data/precious.txt": "mine",
    "afolder/one.yaml": CONFIG,
    "half/config.yaml": CONFIG,
    "badtasks/x.yaml": "name: x\nwording: []\n",
}

# command -> what the message must say. Every one exits with 2.
STARTS = {  # of a config and a run folder: the same for all stages
    "": "Missing argument 'CONFIG'",
    "t.yml": "did you mean t.yaml?",
    "nofolder/x.yaml": "there is no folder nofolder",
    "list.yaml": "found ['a']",
    "empty.yaml": "the file is empty",
    "tab.yaml": "tab.yaml, line 2: not YAML",
    "bin.yaml": "not text in utf-8",
    "noname.yaml": "name is missing (noname.yaml, line 1)",
    "twice.yaml": "name stands twice, in lines 1 and 2",
    "afolder": "a folder, not a config file; name one in it: one.yaml",
    "t.yaml train.num_steps": "an override is key=value",
    "t.yaml nmae=x": "did you mean name? (on the command line)",
    "t.yaml name=a/b": "must be one word",
    "t.yaml seed=-1": "seed: must be at least 0, found -1",
    "t.yaml --seq-len 3": "is KEY=VALUE",
    "t.yaml --run a.jsonl": "not a folder; name the run's folder with --run",
    "t.yaml --run /proc/x": "the folder cannot be made",
    "t.yaml --run notarun": "holds data/ that no run made",
}
OF_COMMAND = {
    "data": {
        "data.sources=[]": "data.sources: needs at least one",
        "data.sources.0.path=b.jsonl": "did you mean a.jsonl?",
        "data.sources.0.path=afolder/*.json": "holds no *.json",
        "data.sources.0.path=lone.txt": "no JSON object among the first 1 records",
        "data.sources.0.format=alpca": "did you mean alpaca?",
        "data.sources.0.format=table": "add answer: COLUMN",
        "data.sources.0.format=sharegpt": "none of the first 60 records has the key conversations",
        "data.sources.0.encoding=utf-9": "encoding utf-9 is unknown",
        "data.sources.0.encoding=utf-16": "not utf-16",
        "data.sources.5.path=x": "5 is not in a list of 1",
        "data.sources.0.languages=[ko,en]": "languages has no meaning for format alpaca",
        "data.sources.0.language=kr": "did you mean ko?",
        "data.sources.0.language=xx": "no code of a language",
        "data.sources.0.weight=2 data.sources.0.epochs=3": "weight 2 stands beside epochs 3",
        "data.mix.rows=9 data.sources.0.epochs=3": "every source has epochs",
        "data.template=chatmll": "neither chat, nor a built-in",
        "data.template=broken.jinja": "not a Jinja template",
        "data.tasks=nowhere": "no such folder",
        "data.tasks=badtasks": "not a task file",
        "data.split.val=2": "must be less than 1",
        "data.split.heldout_tasks=[instrction]": "did you mean instruction?",
        "data.seq_len=4": "data.seq_len: must be at least 16, found 4",
        "model.path=x": "give exactly one of: path, from_scratch",
        "model.from_scratch=null model.path=./nothing": "neither a folder",
        "model.from_scratch.hidden_size=33": "even multiple of num_heads",
    },
    "train": {
        "": "no run there, and",
        "train=5": "must be a section",
        "train.learning_rat=1": "did you mean train.learning_rate?",
        "train.learning_rate=-1": "must be greater than 0",
        "train.learning_rate=fast": "must be a number, found 'fast'",
        "train.num_steps=abc": "must be a whole number, found 'abc'",
        "train.num_steps=1.5": "must be a whole number, found 1.5",
        "train.schedule=cosin": "found 'cosin'; did you mean cosine?",
        "train.betas=[1,2]": "must lie in [0, 1) (on the command line)",
        "train.betas=0.9": "must be a list",
        "train.warmup_ratio=2": "must be at most 1",
        "train.global_batch_size=0": "must be at least 1",
        "train.tensorboard=maybe": "must be true or false",
        "cluster.num_workers=0": "cluster.num_workers: must be at least 1",
    },
    "eval": {
        "": "no run there, and",
        "eval.max_new_tokens=0": "must be at least 1",
        "eval.max_new_token=9": "did you mean eval.max_new_tokens?",
        "eval.temperature=-1": "must be at least 0",
        "eval.temperature=hot": "must be a number",
        "eval.num_actors=0": "must be at least 1",
        "eval.num_actors=two": "must be a whole number",
        "eval.batch_size=-4": "must be at least 1",
        "eval.engine=vlm": "did you mean vllm?",
        "eval.goals=5": "must be a list",
        "'eval.goals=[{metric: accuracy, margin: 15}]'": "eval.goals.0.task is missing",
    },
    "report": {
        "": "no run there, and",
        "report.title=x": "report is unknown; known here:",
        "title": "an override is key=value",
        "name=": "name: must be a text",
        "eval=[]": "eval: must be a section",
        "data.sources.x.path=1": "x is not in a list of 1",
        "--json data.sources.0.name=a/b": "must be one word",
        "--force train.keep=none": "train.keep: must be a whole number",
        "=5": "an override is key=value",
        "name=[": "the value is not YAML",
    },
    "submit": {
        "": "Missing option '--to'",
        "--to pbs": "is not one of 'slurm', 'ray'",
        "--to slurm --nodes 0": "greater than or equal to 1",
        "--to slurm --nodes two": "valid integer",
        "--to slurm --dry-run data.sources.0.path=b.jsonl": "did you mean a.jsonl?",
        "--to slurm --dry-run data.tasks=nowhere": "no such folder",
        "--to slurm --dry-run --partition 'a b'": "not a value that can stand in a job script",
        "--to slurm --dry-run cluster.gpus_per_worker=2": "must be at most 1",
        "--to ray --address nowhere": "http://HOST:PORT",
        "--to slurm --gpu 1": "No such option",
    },
    "fetch": {
        "data.sources.0.path=b.jsonl": "did you mean a.jsonl?",
        "model.from_scratch=null model.path=./nothing": "neither a folder",
        "--to a.jsonl": "not a folder; name one with --to",
        "--to notarun": "no fetch made",
        "--form x": "No such option",
        "data.tasks=nowhere": "no such folder",
        "data.template=none": "neither chat, nor a built-in",
        "data.sources.0.format=messages": "has the key messages",
        "data.sources=": "must be a list",
        "extra": "an override is key=value",
    },
}
OF_OTHERS = {
    "": "Usage: hunmin COMMAND",
    "rnu t.yaml": "Did you mean 'run'?",
    "--verbose": "No such option: --verbose",
    "init": "Missing argument 'FILE...'",
    "init no.csv": "no such file",
    "init t.cvs": "did you mean t.csv?",
    "init afolder": "a folder; name its files",
    "init t.csv": "--task sentiment",
    "init t.csv --task sentiment --out t.yaml": "t.yaml exists already",
    "init t.csv --task sentiment --out nofolder/my.yaml": "there is no folder",
    "init t.csv --column text": "needed is FIELD=COLUMN",
    "init t.csv --column inptu=text": "did you mean input?",
    "init t.csv --column input=txet": "did you mean text?",
    "init t.csv --encoding utf-9": "utf-9 is unknown",
    "init t.csv --format excel": "--format excel is unknown",
    "init t.csv --delimiter": "requires an argument",
    "init lone.txt": "no answers to learn",
    "init t.csv lone.txt": "no answers to learn",
    "init t.csv --task 'my task'": "a task's name has letters",
    "chat": "Missing argument 'RUN'",
    "chat nothing": "no such run folder; runs holds no run",
    "chat t.yaml": "no such run folder",
    "chat afolder": "not a run folder",
    "chat half": "training is not finished",
    "chat half --temperature -1": "greater than or equal to 0",
    "chat half --temperature warm": "valid number",
    "chat half --max-new-tokens 0": "greater than or equal to 1",
    "chat half --bsae": "No such option",
    "chat half more": "unexpected extra argument",
    "doctor a b": "unexpected extra argument",
    "doctor --jsn": "No such option",
    "doctor t.yml": "did you mean t.yaml?",
    "doctor afolder": "a folder, not a config file",
    "doctor empty.yaml": "the file is empty",
    "doctor tab.yaml": "tab.yaml, line 2",
    "doctor noname.yaml": "name is missing",
    "doctor twice.yaml": "stands twice",
    "doctor bin.yaml": "not text in utf-8",
    "doctor list.yaml": "found ['a']",
    "doctor notarun": "a folder, not a config file",
}
OF_REPORT = {"afolder": "not a run folder (no config.yaml in it)"}  # a folder is a run to it
STAGES = ("run", "data", "train", "eval", "report")


def cases() -> Iterator[tuple[str, str]]:
    for number, (arguments, message) in enumerate(STARTS.items()):
        needs_data = "--run notarun" in arguments  # a later stage sees first that no run is there
        stage = "data" if needs_data else STAGES[number % len(STAGES)]
        yield f"{stage} {arguments}", OF_REPORT.get(arguments, message) if stage == "report" else message
    yield "run t.yaml 'eval.goals=[{task: x, metric: accuracy, margin: 15}]'", "no source has the task 'x'"
    yield "run t.yaml train.best_by=summarisation", "best_by"
    for name in ("submit --to slurm", "fetch"):
        yield from ((f"{name} {arguments}", message) for arguments, message in list(STARTS.items())[:10])
    for name, table in OF_COMMAND.items():
        yield from ((f"{name} t.yaml {arguments}", message) for arguments, message in table.items())
    yield from OF_OTHERS.items()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, without what would be slow: Ray, and the imports of the doctor."""
    rows = [{"instruction": f"{i}번째 질문?", "input": "", "output": f"{i}번째 답입니다."} for i in range(60)]
    FILES["a.jsonl"] = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def started(**kwargs: object) -> None:
        pytest.fail("Ray was started before the error was found")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUNMIN_RUNS", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_cluster, "ray_for", started)
    monkeypatch.setattr(
        doctor, "_import_probe", lambda group: {name: {"version": "1", "cuda": None} for name in group}
    )
    return tmp_path


@pytest.mark.parametrize(("command", "message"), cases(), ids=[command for command, _ in cases()])
def test_one_message_says_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    before = set(folder.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        app(shlex.split(command), prog_name="hunmin")
    told = capsys.readouterr()
    said = told.out + told.err
    assert ended.value.code == 2, said
    assert " ".join(message.split()) in " ".join(said.split())
    assert "Traceback" not in said
    assert "a bug" not in said
    assert len(said) < 1500 or command.startswith("doctor") or not command, "a message, not a page"
    left = set(folder.rglob("*")) - before
    assert not any(path.name == "manifest.json" or "traceback" in path.name for path in left)


def test_every_command_is_tried_ten_times() -> None:
    tried = [command.split()[0] for command, _ in cases() if command]
    for name in ("data", "train", "eval", "report", "init", "chat", "doctor", "submit", "fetch"):
        assert tried.count(name) >= 10, name
