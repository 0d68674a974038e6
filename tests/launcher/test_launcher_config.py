import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from hunmin.errors import ConfigError
from launcher.config import RunConfig, difference, load, resolved, section_of

GOOD = """\
name: t
seed: 3
model:
  from_scratch: {hidden_size: 32}
data:
  seq_len: 128
  sources:
    - name: a
      format: alpaca
      path: a.jsonl
train:
  num_steps: 5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


def test_overrides_win_and_lists_have_indices(tmp_path: Path) -> None:
    config, base = load(
        write(tmp_path, GOOD),
        ["train.num_steps=9", "train.learning_rate=2e-3", "data.sources.0.path=b.jsonl"],
    )
    assert (config.train.num_steps, config.train.learning_rate) == (9, 2e-3)
    assert config.data.sources[0].path == "b.jsonl"
    assert base == tmp_path.resolve()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "num_steps",
            "num_stpes",
            "train.num_stpes is unknown; did you mean train.num_steps? (",
        ),
        ("  seq_len", "  seq_lenght", "data.seq_lenght is unknown; did you mean data.seq_len? ("),
        ("      path: a.jsonl", "      paht: a.jsonl", "data.sources.0.path is missing"),
        ("      path: a.jsonl", "      paht: a.jsonl", "did you mean data.sources.0.path? ("),
        ("name: t\n", "", "name is missing"),
        ("num_steps: 5", "num_steps: lots", "train.num_steps: must be a whole number, found 'lots'"),
        ("seq_len: 128", "seq_len: 4", "data.seq_len: must be at least 16, found 4"),
        ("format: alpaca", "format: alpacca", "data.sources.0.format"),
        ("{hidden_size: 32}", "{hidden_size: 33}", "must be an even multiple of num_heads"),
        ("  from_scratch: {hidden_size: 32}", "  {}", "exactly one of: path, from_scratch"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(path, [])
    assert message in str(caught.value)
    line = next((i for i, text in enumerate(GOOD.splitlines(), 1) if old.strip() in text), 1)
    if old != "name: t\n":
        assert f"{path}, line " in str(caught.value)
    if "did you mean" in message:
        assert f"line {line})" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.num_stpes=3", "did you mean train.num_steps? (on the command line)"),
        ("data.template_date=2024-13-01", "data.template_date: must be a valid date"),
        ("nonsense", "key=value"),
        ("data.sources.7.path=x", "not in a list of 1"),
        ("name.x=1", "holds 't', not a section"),
        ("train.num_steps=[", "not YAML"),
        ("seed=20261127093000", "seed: must be less than 4294967296"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD), [override])
    assert message in str(caught.value)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed stands twice, in lines 2 and 13"):
        load(write(tmp_path, GOOD + "seed: 4\n"), [])


def test_digits_are_text_under_a_mapping(tmp_path: Path) -> None:
    config, _ = load(write(tmp_path, GOOD), ["data.sources.0.labels.1=긍정"])
    assert config.data.sources[0].labels == {"1": "긍정"}


def test_files_that_are_no_config(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"no such config file; did you mean .*c\.yaml"):
        load(tmp_path / "cc.yaml", [])
    with pytest.raises(ConfigError, match="line 2: not YAML"):
        load(write(tmp_path, "name: t\n  seed: : 3\n"), [])
    with pytest.raises(ConfigError, match="a config is a mapping"):
        load(write(tmp_path, "- a\n"), [])


def test_the_resolved_config_loads_again_from_elsewhere(tmp_path: Path) -> None:
    config, base = load(write(tmp_path, GOOD), ["train.num_steps=9"])
    run = tmp_path / "runs" / "t"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(resolved(config, base=base, run_dir=run))
    again, base_again = load(run / "config.yaml", [])
    assert base_again == base
    assert difference(config, again) == []
    assert yaml.safe_load((run / "config.yaml").read_text())["eval"]["max_new_tokens"] == 256


def test_the_difference_names_content_and_not_execution(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    config, _ = load(path, [])
    other, _ = load(path, ["train.num_steps=6", "cluster.num_cpus=1", "data.sources.0.path=b"])
    assert difference(config, other) == [
        "data.sources.0.path: 'a.jsonl' -> 'b'",
        "train.num_steps: 5 -> 6",
    ]


def test_a_secret_of_a_url_is_not_stored_and_makes_no_other_run(tmp_path: Path) -> None:
    text = GOOD.replace("a.jsonl", "https://me:geheim{}@h.example/a.jsonl?sig=geheim{}")
    first, base = load(write(tmp_path, text.replace("{}", "1")), [])
    second, _ = load(write(tmp_path, text.replace("{}", "2")), [])
    stored = resolved(first, base=base)
    assert "https://***@h.example/a.jsonl?sig=***" in stored
    assert "geheim" not in stored
    assert difference(load(write(tmp_path, stored), [])[0], second) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.seq_len=100000000000", "data.seq_len: must be at most 16777216, found 100000000000"),
        ("data.epochs=1000000000000", "data.epochs: must be at most 100000"),
        ("data.augment.few_shot_k=[1, 1000000]", "1 <= from <= to <= 100"),
        ("train.learning_rate=.inf", "train.learning_rate: must be a finite number, found .inf"),
        ("train.learning_rate=.nan", "train.learning_rate: must be a finite number, found .nan"),
        ("train.betas=[.nan, 0.9]", "train.betas.0: must be a finite number"),
        ("train.learning_rates={lm_head: .inf}", "must be a finite number"),
        ("train.learning_rates={lm_head: 1000.0}", "must be above 0, and at most 100"),
        ("train.num_steps=-1", "train.num_steps: must be at least 1"),
        ("train.hang_timeout_s=1e300", "train.hang_timeout_s: must be at most 10000000"),
        ("cluster.num_workers=1000000000", "cluster.num_workers: must be at most 65536"),
        ("eval.max_new_tokens=99999999999", "eval.max_new_tokens: must be at most"),
        ("model.from_scratch.num_layers=99999999999", "model.from_scratch.num_layers: must be at most"),
        (f"name={'x' * 5000}", "name: a name of 5000 bytes; at most 128"),
        (f"name={'가' * 50}", "name: a name of 150 bytes; at most 128"),
        (f"data.sources.0.name={'x' * 5000}", "data.sources.0.name: a name of 5000 bytes"),
        (f"data.sources.0.task={'x' * 5000}", "data.sources.0.task: a name of 5000 bytes"),
    ],
)
def test_what_no_machine_can_do_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD), [override])
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_every_number_of_the_config_has_both_bounds() -> None:
    """A new key without an upper bound fails here."""

    def is_union(annotation: object) -> bool:
        return typing.get_origin(annotation) in (typing.Union, types.UnionType)

    def unbounded(model: type[BaseModel], at: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            section = section_of(field.annotation)
            if section is not None:
                yield from unbounded(section, f"{at}{name}.")
            alternatives = typing.get_args(field.annotation) if is_union(field.annotation) else ()
            kinds = {kind for kind in (field.annotation, *alternatives) if kind in (int, float)}
            limits = {kind for one in field.metadata for kind in ("le", "lt") if hasattr(one, kind)}
            if kinds and not limits:
                yield f"{at}{name}"

    assert list(unbounded(RunConfig, "")) == []
