"""What stands without quotes is a text where a text is meant, and messages quote it as it was written."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data_pipeline.config import SourceConfig
from data_pipeline.tasks.tasks import load_tasks
from hunmin.errors import ConfigError
from hunmin.yaml_text import read_yaml, typed
from launcher.config import load

WORDS = [
    "yes",
    "no",
    "on",
    "off",
    "Yes",
    "true",
    "1",
    "01",
    "1.0",
    "3.10",
    "1e3",
    "1_000",
    "2024-05-01",
    "1:30",
    ".nan",
]


def source(text: str) -> dict[str, Any]:
    return typed(read_yaml(text), SourceConfig)


@pytest.mark.parametrize("word", WORDS)
def test_an_unquoted_word_is_the_text_that_it_is_spelled_as(word: str) -> None:
    lines = [
        f"labels: {{{word}: {word}}}",
        f"name: {word}",
        f"header: [a, {word}]",
        f"missing: [{word}]",
        f"filters: [{{column: {word}, values: [{word}]}}]",
        f"languages: [ko, {word}]",
        f"encoding: {word}",
    ]
    read = source("\n".join(lines))
    assert read == {
        "labels": {word: word},
        "name": word,
        "header": ["a", word],
        "missing": [word],
        "filters": [{"column": word, "values": [word]}],
        "languages": ["ko", word],
        "encoding": word,
    }


def test_where_no_text_is_meant_it_is_what_yaml_says() -> None:
    read = source(
        "synthetic: yes\nweight: 1e1\nmax_rows: 0x10\ntask: null\nepochs: 2\npath: [1, b]\nformat: 3\n"
    )
    assert read == {
        "synthetic": True,
        "weight": "1e1",  # YAML 1.1 takes it for a text, and pydantic reads it
        "max_rows": 16,
        "task": None,
        "epochs": 2,
        "path": ["1", "b"],
        "format": "3",
    }


def test_anchors_and_merges_stay_yaml() -> None:
    assert source("x: &a {yes: 1}\nlabels: {<<: *a, no: 2}\n")["labels"] == {"yes": "1", "no": "2"}


def test_a_key_that_is_no_word_is_refused_in_its_place() -> None:
    with pytest.raises(yaml.YAMLError, match="a key must be text"):
        read_yaml("a: 1\n? [b]\n: 2\n")


CONFIG = """\
name: t
model: {from_scratch: {hidden_size: 8, num_layers: 1, num_heads: 1, vocab_size: 600}}
data:
  sources:
    - {name: s, format: table, path: a.csv, columns: {input: a, label: b}, labels: {yes: 긍정, no: 부정}}
"""


def test_a_config_reads_labels_as_the_file_spells_them(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    assert load(path, [])[0].data.sources[0].labels == {"yes": "긍정", "no": "부정"}
    given = load(path, ["data.sources.0.labels={1: on, 2.50: off}", "data.sources.0.domain=no"])[
        0
    ].data.sources[0]
    assert (given.labels, given.domain) == ({"1": "on", "2.50": "off"}, "no")


@pytest.mark.parametrize(
    ("line", "override", "found"),
    [
        ("seed: yes", [], "found 'yes'"),
        ("seed: 1_0.50", [], "found 1_0.50"),
        ("", ["seed=off"], "found 'off'"),
    ],
)
def test_a_message_quotes_what_was_written(
    tmp_path: Path, line: str, override: list[str], found: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG + "train: {num_steps: 3}\n" + line + "\n")
    with pytest.raises(ConfigError) as error:
        load(path, override or ["train.num_steps=no"])
    assert found in str(error.value)


def test_labels_of_a_task_file_are_texts(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "name: mine\nlanguages: [en]\nlabels: [yes, no, 1.0]\nmetrics: [accuracy]\n"
    )
    assert load_tasks(tmp_path)["mine"].labels == ("yes", "no", "1.0")
