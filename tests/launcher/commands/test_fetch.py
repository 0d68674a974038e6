"""`hunmin fetch`: one folder with all that a config names, which needs neither its origin nor a network."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import hunmin
from safetensors.numpy import save_file

from data_pipeline.build.inputs import check_sources, inputs_sha256
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.models.folder import model_sha256
from hunmin.safety.classifier import CONFIG_NAME, WEIGHTS_NAME, Features, Head, head_config, model_config
from launcher.commands.fetch import RECORD, fetch
from launcher.config import load

CONFIG = """\
name: small
seed: 7
model: {path: models/tiny}
data:
  tasks: own_tasks
  template: own.jinja
  safety: {classifier: trained/harm}
  sources:
    - {name: one, format: alpaca, path: corpus/a.jsonl, licence: Apache-2.0}
    - {name: many, format: alpaca, path: "corpus/deep/**/*.jsonl"}
    - {name: listed, format: alpaca, path: [corpus/a.jsonl, corpus/deep/x/b.jsonl]}
    - {name: pairs, format: parallel, path: "corpus/{language}/*.txt", languages: [ko, en], task: translation}
    - {name: reviews, format: table, path: corpus/r.tsv, task: mood,
       columns: {input: text, label: label}, labels: {"1": good, "0": bad}}
train: {num_steps: 3}
"""


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A config with a local model, five sources, a task folder, a template and a classifier of its own."""
    root = tmp_path / "origin"
    row = json.dumps({"instruction": "hi", "input": "", "output": "there"}) + "\n"
    texts = {
        "models/tiny/config.json": "{}",
        "models/tiny/tokenizer.json": "{}",
        "models/tiny/model.safetensors": "weights" * 1000,
        "models/tiny/README.md": "not needed",
        "corpus/a.jsonl": row,
        "corpus/deep/x/b.jsonl": row * 2,
        "corpus/deep/x/c.jsonl": row * 3,
        "corpus/ko/1.txt": "안녕\n",
        "corpus/ko/2.txt": "하나\n둘\n",
        "corpus/en/1.txt": "hello\n",
        "corpus/en/2.txt": "one\ntwo\n",
        "corpus/r.tsv": "text\tlabel\nnice\t1\n",
        "own.jinja": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "own_tasks/mood.yaml": "name: mood\nlanguages: [en]\nlabels: [good, bad]\nmetrics: [accuracy]\n"
        "wordings: [{id: a, language: en, axis: tone, text: 'Good or bad?'}]\n",
        "small.yaml": CONFIG,
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    features = Features(bits=4)
    head = Head("harmful", np.zeros(2**4, np.float32), 0.0, 0.9)
    (root / "trained" / "harm").mkdir(parents=True)
    save_file({"harmful": head.weights}, root / "trained" / "harm" / WEIGHTS_NAME)
    (root / "trained" / "harm" / CONFIG_NAME).write_text(
        model_config(features, {"harmful": head_config(head, {})}), encoding="utf-8"
    )
    return root


def inputs_of(config_path: Path) -> tuple[str, str]:
    """What the stages of a config's run are made from."""
    config, base = load(config_path, [])
    check_sources(config.data, base=base)
    assert config.model.path is not None
    return inputs_sha256(config.data, config.model, base=base), model_sha256(config.model.path, base=base)


def test_the_folder_stands_alone(origin: Path, tmp_path: Path) -> None:
    before = inputs_of(origin / "small.yaml")
    fetch(origin / "small.yaml", ["train.num_steps=5"], to=tmp_path / "there")
    shutil.rmtree(origin)
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    brought = tmp_path / "elsewhere" / "config.yaml"
    assert inputs_of(brought) == before
    assert load(brought, [])[0].train.num_steps == 5
    assert str(tmp_path) not in brought.read_text()
    found = {path.relative_to(tmp_path / "elsewhere").as_posix() for path in brought.parent.rglob("*.*")}
    assert {"corpus/many/x/c.jsonl", "corpus/listed/deep/x/b.jsonl", "corpus/pairs/target/2.txt"} <= found
    assert {"tasks/mood.yaml", "template/own.jinja", "model/model.safetensors", RECORD} <= found
    assert {f"classifier/{WEIGHTS_NAME}", f"classifier/{CONFIG_NAME}"} <= found
    assert "model/README.md" not in found


def test_another_models_tokenizer_comes_along_without_its_weights(origin: Path, tmp_path: Path) -> None:
    other = origin / "models" / "other"
    shutil.copytree(origin / "models" / "tiny", other)
    (other / "tokenizer.json").write_text('{"other": 1}')
    path = origin / "small.yaml"
    model = "model: {path: models/tiny, tokenizer: models/other, vocabulary: map, add_tokens: [<plan>]}"
    path.write_text(CONFIG.replace("model: {path: models/tiny}", model), encoding="utf-8")
    before = inputs_of(path)
    fetch(path, [], to=tmp_path / "there")
    shutil.rmtree(origin)
    brought = tmp_path / "there" / "config.yaml"
    assert inputs_of(brought) == before
    found = load(brought, [])[0].model
    assert (found.tokenizer, found.vocabulary, found.add_tokens) == ("tokenizer", "map", ("<plan>",))
    assert (brought.parent / "tokenizer" / "tokenizer.json").read_text() == '{"other": 1}'
    assert not list((brought.parent / "tokenizer").glob("*.safetensors"))


def test_a_folder_without_a_tokenizer_is_one_line(origin: Path, tmp_path: Path) -> None:
    path = origin / "small.yaml"
    changed = "model: {path: models/tiny, tokenizer: corpus, vocabulary: map}"
    path.write_text(CONFIG.replace("model: {path: models/tiny}", changed), encoding="utf-8")
    with pytest.raises(InputError, match=r"model\.tokenizer: .*corpus has no tokenizer\.json"):
        fetch(path, [], to=tmp_path / "there")


def test_templates_joined_files_and_what_came_from_the_hub_are_files_of_the_folder(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNMIN_CACHE", str(tmp_path / "cache"))
    (origin / "corpus" / "set").mkdir()
    (origin / "corpus" / "set" / "dev.jsonl").write_text('{"text": "nice", "label": 1}\n')
    (origin / "t.yaml").write_text(
        "templates: {x: {name: x, jinja: 'Say {{text}} ||| {{text}}', metadata: {original_task: true}}}"
    )
    source = "    - {name: hub, format: table, path: 'hub:corpus/set', hub_split: validation,"
    source += " templates: t.yaml}\n"
    (origin / "corpus" / "asked.jsonl").write_text('{"id": 1, "q": "nice?"}\n')
    (origin / "answers").mkdir()
    for name, number in (("b", 1), ("a", 2)):
        (origin / "answers" / f"{name}.jsonl").write_text(f'{{"id": {number}, "a": "yes"}}\n')
    source += "    - {name: asked, format: prompt_completion, path: corpus/asked.jsonl, "
    source += "join: {path: answers, by: id}, columns: {instruction: q, answer: joined.a}}\n"
    text = CONFIG.replace("  sources:\n", "  sources:\n" + source)
    (origin / "small.yaml").write_text(text, encoding="utf-8")
    before = inputs_of(origin / "small.yaml")
    fetch(origin / "small.yaml", [], to=tmp_path / "there")
    shutil.rmtree(origin)
    shutil.rmtree(tmp_path / "cache")
    assert inputs_of(tmp_path / "there" / "config.yaml") == before


def test_called_again_it_only_brings_what_is_missing(
    origin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, there = origin / "small.yaml", tmp_path / "there"
    fetch(config, [], to=there)
    first = capsys.readouterr().out
    assert "fetch: model: 3 file(s), 7.0 kB; 3 copied, 0 there" in first
    kept = (there / "corpus" / "one" / "a.jsonl").stat().st_mtime_ns
    damaged = there / "model" / "model.safetensors"
    damaged.write_text("W" + damaged.read_text()[1:])
    (there / "corpus" / "many" / "x" / "c.jsonl").unlink()
    (origin / "own_tasks" / "mood.yaml").rename(origin / "own_tasks" / "feeling.yaml")
    fetch(config, [], to=there)
    second = capsys.readouterr().out
    assert "fetch: model: 3 file(s), 7.0 kB; 1 copied, 2 there" in second
    assert "fetch: many: 2 file(s), 0.3 kB; 1 copied, 1 there" in second
    assert "removed tasks/mood.yaml" in second
    assert (there / "corpus" / "one" / "a.jsonl").stat().st_mtime_ns == kept
    assert inputs_of(there / "config.yaml") == inputs_of(config)
    files = json.loads((there / RECORD).read_text())["files"]
    assert set(files) == {
        path.relative_to(there).as_posix()
        for folder in ("classifier", "corpus", "model", "tasks", "template")
        for path in (there / folder).rglob("*")
        if path.is_file()
    }


def test_a_model_from_scratch_needs_no_model(origin: Path, tmp_path: Path) -> None:
    fetch(origin / "small.yaml", ["model={from_scratch: {vocab_size: 600}}"], to=tmp_path / "there")
    assert not (tmp_path / "there" / "model").exists()
    assert yaml.safe_load((tmp_path / "there" / "config.yaml").read_text())["model"]["path"] is None


def test_a_folder_with_other_files_is_left_alone(origin: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.txt").write_text("x")
    with pytest.raises(InputError, match="holds files that no fetch made"):
        fetch(origin / "small.yaml", [], to=mine)
    assert [path.name for path in mine.iterdir()] == ["precious.txt"]
    with pytest.raises(InputError, match="not a folder"):
        fetch(origin / "small.yaml", [], to=mine / "precious.txt")
    fetch(origin / "small.yaml", [], to=tmp_path / "there")
    (tmp_path / "there" / "corpus" / "many" / "stray.jsonl").write_text("{}")
    with pytest.raises(InputError, match="holds files that the config does not name"):
        fetch(origin / "small.yaml", [], to=tmp_path / "there")


def test_a_file_of_the_hubs_cache_that_is_not_what_its_name_says_is_found(
    origin: Path, tmp_path: Path
) -> None:
    weights = origin / "models" / "tiny" / "model.safetensors"
    blob = tmp_path / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    weights.rename(blob)
    weights.symlink_to(blob)
    with pytest.raises(EnvironmentFailure, match="arrived damaged"):
        fetch(origin / "small.yaml", [], to=tmp_path / "there")
    assert not (tmp_path / "there" / RECORD).exists()
    assert not list((tmp_path / "there").rglob("model.safetensors"))


@pytest.mark.parametrize("name", ["blobs/" + "z" * 64, "elsewhere/" + "a" * 64])
def test_a_link_to_a_long_name_outside_the_hubs_cache_says_nothing(
    origin: Path, tmp_path: Path, name: str
) -> None:
    weights, target = origin / "models" / "tiny" / "model.safetensors", tmp_path / name
    target.parent.mkdir()
    weights.rename(target)
    weights.symlink_to(target)
    fetch(origin / "small.yaml", [], to=tmp_path / "there")
    assert (tmp_path / "there" / "model" / "model.safetensors").read_text() == target.read_text()


def test_a_model_without_all_its_weights_is_refused_before_anything_is_copied(
    origin: Path, tmp_path: Path
) -> None:
    model, there = origin / "models" / "tiny", tmp_path / "there"
    parts = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    (model / "model.safetensors").rename(model / parts[0])
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": parts[0], "b": parts[1]}}))
    with pytest.raises(InputError, match=f"lacks 1 of 2 weight files, first {parts[1]}"):
        fetch(origin / "small.yaml", [], to=there)
    index.write_text("[]")
    with pytest.raises(InputError, match="not an index of weights"):
        fetch(origin / "small.yaml", [], to=there)
    index.unlink()
    (model / parts[0]).rename(model / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"needs config\.json and \*\.safetensors"):
        fetch(origin / "small.yaml", [], to=there)
    assert not (there / "model").exists()


@pytest.mark.parametrize(
    "env", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}]
)
def test_a_hub_that_cannot_be_reached_is_exit_4(origin: Path, tmp_path: Path, env: dict[str, str]) -> None:
    command = ("fetch", origin / "small.yaml", "model.path=some-owner/some-model", "--to", tmp_path / "there")
    done = hunmin(*command, env={"HF_HOME": str(tmp_path / "hf")} | env)
    assert done.returncode == 4, done.stderr
    assert "some-owner/some-model" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "there" / RECORD).exists()
