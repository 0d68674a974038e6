"""promptsource's templates: YAML with two tags, sandboxed Jinja, prompt ||| answer."""

import json
from typing import Any

import pytest
from source_helpers import fields_of, reasons_of

from data_pipeline.build.inputs import input_paths, inputs_sha256
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.sources import describe, expand
from hunmin.errors import ConfigError, InputError
from hunmin.models import jinja_sandbox
from hunmin.models.config import ModelConfig

YAML = """\
dataset: reviews
templates:
  id-1: !Template
    answer_choices: negative ||| positive
    id: id-1
    jinja: 'Is this review {{"positive"}} or {{"negative"}}? {{text}} ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: positive or negative
    reference: ''
  id-2: !Template
    answer_choices: null
    id: id-2
    jinja: '{% if label == 1 %}Write a kind review. ||| {{text}}{% endif %}'
    metadata: !TemplateMetadata
      original_task: false
    name: write one
    reference: ''
  id-3: !Template
    answer_choices: null
    id: id-3
    jinja: 'Name {{ ["a", "b", "c"] | choice }}: {{text}} ||| first ||| second'
    metadata: !TemplateMetadata
      original_task: true
    name: several answers
    reference: ''
"""
RECORDS = [{"text": "Lovely.", "label": 1}, {"text": "a ||| b", "label": 0}]


def templated(
    read_files: Any, records: list[dict] | None = None, yaml: str = YAML, **more: Any
) -> list[dict]:
    files = {"t.json": json.dumps(RECORDS if records is None else records), "t.yaml": yaml}
    return read_files(files, format="table", templates="t.yaml", **more)


def one(jinja: str) -> str:
    written = f"name: x, jinja: {json.dumps(jinja)}, metadata: !TemplateMetadata {{original_task: true}}"
    return f"templates: {{x: !Template {{{written}}}}}"


def test_a_row_for_each_template_of_the_original_task(read_files: Any, tmp_path: Any) -> None:
    rows = templated(read_files)
    assert [(row["record"], row["sub_record"]) for row in rows] == [(0, 0), (0, 2), (1, 0), (1, 2)]
    assert fields_of([rows[0], rows[2]], "instruction", "input", "answer", "value") == [
        ("Is this review positive or negative? Lovely.", None, "positive", "1"),
        ("Is this review positive or negative? a ||| b", None, "negative", "0"),
    ]
    assert rows[1]["references"] == ["first", "second"]
    assert rows[0]["family_key"] == rows[1]["family_key"] != rows[2]["family_key"]
    source = SourceConfig.model_validate(
        {"name": "s", "format": "table", "path": "t.json", "templates": "t.yaml"}
    )
    assert "2 of 3 templates" in describe(expand(source, index=0, base=tmp_path)[0], source)


def test_names_choose_templates_and_keep_their_numbers(read_files: Any) -> None:
    rows = templated(read_files, template_names=["write*"])
    assert [row["sub_record"] for row in rows] == [1, 1]
    assert reasons_of(rows) == [None, "template_not_applicable"]
    assert len(templated(read_files, template_names=["*"])) == 6
    with pytest.raises(InputError, match="no template is named rite; the names are positive or negative, wr"):
        templated(read_files, template_names=["rite"])


def test_a_choice_is_the_same_for_the_same_record(read_files: Any) -> None:
    records = [{"text": str(i), "label": 0} for i in range(40)]
    rows = templated(read_files, records, template_names=["several*"])
    assert rows == templated(read_files, records, template_names=["several*"])
    backwards = templated(read_files, records[::-1], template_names=["several*"])
    assert sorted(row["fields"]["instruction"] for row in rows) == sorted(
        row["fields"]["instruction"] for row in backwards
    )
    assert {row["fields"]["instruction"][5] for row in rows} == set("abc")


def test_columns_rename_and_labels_become_numbers(read_files: Any) -> None:
    files = {"t.tsv": "review\tstars\n좋아요\t긍정\n별로\t부정\n중간\t?\n없음\t-1\n", "t.yaml": YAML}
    rows = read_files(
        files,
        format="table",
        templates="t.yaml",
        template_names=["positive*"],
        columns={"text": "review", "label": "stars"},
        labels={"긍정": "1", "부정": "0", "-1": "-1"},
    )
    assert reasons_of(rows) == [None, None, "label_not_mapped", "no_answer"]
    assert fields_of(rows[:2], "answer") == [("positive",), ("negative",)]


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_value_that_is_none_is_never_written(read_files: Any, nothing: Any) -> None:
    records = [{"text": "가", "note": nothing, "label": nothing}]
    (row,) = templated(read_files, records, one("{{text}}: {{note}} ||| a"))
    assert row["reason"] == "missing_field"
    (row,) = templated(read_files, records, one("{{text}}{% if note %}: {{note}}{% endif %} ||| a"))
    assert row["fields"]["instruction"] == "가"


def test_templates_write_numbers_as_the_file_spells_them_and_choose_by_whole_ones(read_files: Any) -> None:
    files = {"t.jsonl": '{"text": 3.10, "label": 1.0}\n', "t.yaml": YAML}
    (row,) = read_files(files, format="table", templates="t.yaml", template_names=["positive*"])
    assert row["fields"]["instruction"].endswith("? 3.10")
    assert row["fields"]["answer"] == "positive"


@pytest.mark.parametrize(
    ("jinja", "reason", "words"),
    [
        ("{{nothing}} ||| a", "missing_field", "'nothing' is undefined"),
        ("only a prompt {{text}}", "template_not_applicable", "writes no answer"),
        (" ||| a", "template_not_applicable", "writes no prompt"),
        ("{{text / 2}} ||| a", "template_not_applicable", "template x: "),
    ],
)
def test_what_a_template_cannot_write_rejects_the_record(
    read_files: Any, jinja: str, reason: str, words: str
) -> None:
    (row,) = templated(read_files, RECORDS[:1], one(jinja))
    assert row["reason"] == reason
    assert words in row["detail"]


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("a: b", "no templates; needed is a mapping"),
        ("templates: {x: !Template {name: x}}", "template 1 needs a name and a jinja text"),
        ("templates: {x: !Python {name: x}}", ", line 1, column 16: not YAML: could not determine"),
        ("templates: {x: !!python/object/apply:os.system ['true']}", ", line 1, column 16: not YAML: could"),
        ("templates:\n  x: [1\n  y: 2", ", line 3, column 4: not YAML: expected ',' or ']'"),
        (one("{% if %}"), "template x, line 1: no Jinja"),
        (one("{{ text.__class__.__mro__ }} ||| a"), "is not safe to run"),
        (one("{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3), "template x: rendering took over"),
        (one("{{ 10 ** (10 ** 9) % 7 }} ||| a"), "no Jinja that can be compiled (rendering took over"),
        (one("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"), "no Jinja that can be compiled"),
        (YAML.replace("original_task: true", "original_task: false"), "no template is of the original task"),
    ],
)
def test_a_file_that_cannot_be_used_stops(
    read_files: Any, yaml: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jinja_sandbox, "RENDER_LIMIT_S", 0.5)
    with pytest.raises(InputError) as error:
        templated(read_files, yaml=yaml)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_contradict_templates_are_refused(read_files: Any) -> None:
    with pytest.raises(ConfigError, match="each and templates exclude each other"):
        templated(read_files, each="x")
    with pytest.raises(ConfigError, match="template_names chooses among templates"):
        read_files(
            {"t.json": "[]"}, format="table", template_names=["x"], columns={"input": "a", "answer": "b"}
        )
    with pytest.raises(InputError, match="templates: no file at"):
        read_files({"t.json": "[]"}, format="table", templates="none.yaml")


def test_the_templates_are_part_of_the_inputs(read_files: Any, tmp_path: Any) -> None:
    templated(read_files)
    source = {"name": "s", "format": "table", "path": "t.json", "templates": "t.yaml"}
    config = DataConfig.model_validate({"sources": [source]})
    model = ModelConfig.model_validate({"from_scratch": {}})
    before = inputs_sha256(config, model, base=tmp_path)
    assert tmp_path / "t.yaml" in input_paths(config, model, base=tmp_path)
    (tmp_path / "t.yaml").write_text(YAML.replace("Is this", "Was this"))
    assert inputs_sha256(config, model, base=tmp_path) != before
