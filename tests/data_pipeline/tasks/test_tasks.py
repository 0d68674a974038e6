"""Task files: what they may say, and what a wrong one is told."""

from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.tasks.tasks import (
    Task,
    attests_of,
    check_attested,
    check_attests,
    load_tasks,
    require_bank,
    task_infos,
)
from hunmin.errors import ConfigError


def test_rows_have_a_default_task_only_where_a_source_names_none() -> None:
    named = {"name": "a", "format": "alpaca", "path": "a.json", "task": "translation"}
    nameless = {"name": "b", "format": "sharegpt", "path": "b.json"}
    alone = DataConfig.model_validate({"sources": [named]})
    assert set(task_infos(alone, base=Path())) == {"translation"}
    both = DataConfig.model_validate({"sources": [named, nameless]})
    assert set(task_infos(both, base=Path())) == {"translation", "instruction", "conversation"}


def test_a_misspelt_task_without_a_bank_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean sentiment"):
        require_bank(load_tasks(None), "sentimant", source="reviews")


def test_rows_that_need_wordings_need_a_task() -> None:
    with pytest.raises(
        ConfigError, match=r"data\.sources reviews: .*names no task .*Add task: NAME"
    ) as caught:
        require_bank(load_tasks(None), "", source="reviews")
    assert "''" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"task 'zzz' has no wordings\. Known tasks: code_generation,"):
        require_bank(load_tasks(None), "zzz", source="reviews")


WORDING = "{id: a, language: ko, axis: tone, text: 하나"
WRONG = [
    ("wordngs: []", r"wordngs: Extra inputs"),
    (f"wordings: [{WORDING}, requires: [one_sentense]}}]", r"wordings\.0\.requires: .*mean one_sentence"),
    (f"wordings: [{WORDING}, requires: ['max_chars:few']}}]", r"max_chars.*a whole number above 0"),
    (f"wordings: [{WORDING}, attested: ['domian:news']}}]", r"wordings\.0\.attested: .*did you mean domain"),
    (f"wordings: [{WORDING}, attested: [news]}}]", r"written kind:word, as in domain:news"),
    (f"wordings: [{WORDING}, answer: scores}}]\nrenderers: {{score: {{language: ko, text: '{{value}}점'}}}}",
     r"wording a: no renderer is named 'scores'; did you mean score\?"),
    (f"wordings: [{WORDING}, when: {{langauge: ko}}}}]", r"wordings\.0\.when\.langauge"),
    (f"wordings: [{WORDING}, when: {{scale: ten}}}}]", r"wordings\.0\.when\.scale: .*as in 1-5"),
    (f"wordings: [{WORDING}}}, {WORDING}}}]", r"two wordings have the same id 'a'"),
    (f"wordings: [{WORDING}}}, {{id: b, language: ko, axis: tone, text: 하나}}]", r"the same text '하나'"),
    ("renderers: {a: {language: ko, text: 점수}}", r"renderers\.a: '점수' has no slot"),
    ("renderers: {a: {language: ko}}", r"renderers\.a: give exactly one of: answers"),
    ("renderers: {a: {language: ko, text: '{value}점', scales: {1-10: 0}}}", r"0 divides no rating"),
    ("bounds: {answers: [1, 2]}", r"bounds\.answers"),
    ("wordings: [하나]", r"wordings\.0: found '하나', needed a mapping"),
    ("renderers: {a: {text: '{value}점'}}", r"renderers\.a\.language: is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_broken_task_file_is_named_with_what_is_wrong_in_it(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "x.yaml").write_text(f"name: x\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.yaml: not a task file") as caught:
        load_tasks(tmp_path)
    assert caught.match(message)
    assert "Value error" not in str(caught.value)


def test_a_folder_of_tasks_must_be_there_and_hold_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_tasks(tmp_path / "none")
    (tmp_path / "x.yaml").write_text("name: [x\n")
    with pytest.raises(ConfigError, match=r"x\.yaml, line 2, column 1: not YAML: .*\Z") as caught:
        load_tasks(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "x.yaml").write_bytes("name: 감정".encode("cp949"))
    with pytest.raises(ConfigError, match=r"x\.yaml: not text in utf-8"):
        load_tasks(tmp_path)
    (tmp_path / "x.yaml").write_text("sentiment")
    with pytest.raises(ConfigError, match=r"x\.yaml: .*found 'sentiment', needed a mapping"):
        load_tasks(tmp_path)


def test_an_own_task_file_wins_over_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: sentiment\nlabels: [좋다, 나쁘다]\nbounds: {input: [1, 500]}\n"
    )
    tasks = load_tasks(tmp_path)
    assert tasks["sentiment"].labels == ("좋다", "나쁘다")
    assert tasks["sentiment"].bounds == {"input": (1, 500)}
    assert tasks["translation"].wordings


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "neutral"),
        ({"when": {"language": "ko"}}, "neutral"),
        ({"requires": ["one_line"]}, "checked"),
        ({"attested": ["tone:formal"]}, "attested"),
        ({"attested": ["tone:formal"], "requires": ["one_line"]}, "attested"),
        ({"when": {"scale": "1-10"}}, "attested"),
        ({"when": {"labels": ["긍정", "부정"]}}, "attested"),
        ({"answer": "said"}, "attested"),
    ],
)
def test_a_wording_is_neutral_checked_or_attested(settings: dict[str, Any], kind: str) -> None:
    wording = {"id": "a", "language": "ko", "axis": "tone", "text": "하나"} | settings
    renderers = {"said": {"language": "ko", "text": "{label}입니다."}}
    task = Task.model_validate({"name": "t", "wordings": [wording], "renderers": renderers})
    assert task.wordings[0].kind == kind


def test_what_a_source_attests_is_kind_and_word() -> None:
    assert check_attested("labels:긍정/부정/중립") == "labels:긍정/부정/중립"
    for wrong in ("news", "domain:", ":news", "domain: news", "domain:a:b"):
        with pytest.raises(ValueError, match="kind:word"):
            check_attested(wrong)


def test_what_no_wording_can_ask_for_is_not_attested_by_a_source() -> None:
    source = {"name": "news", "format": "alpaca", "path": "a.json", "attests": ["domian:news"]}
    with pytest.raises(ConfigError, match=r"data\.sources news: attests .*did you mean domain"):
        check_attests(DataConfig.model_validate({"sources": [source]}))
    check_attests(DataConfig.model_validate({"sources": [source | {"attests": ["domain:news"]}]}))


def test_a_source_attests_its_domain_and_its_labels_by_its_other_settings() -> None:
    labels = {"1-3": "부정", "5-6": "중립", "8-9": "긍정", "10": "긍정"}
    settings = {"name": "a", "format": "table", "path": "a.tsv", "attests": ["scale:1-10"]}
    source = SourceConfig.model_validate(settings | {"domain": "movies", "labels": labels})
    assert attests_of(source) == ["scale:1-10", "domain:movies", "labels:긍정/부정/중립"]
    assert attests_of(SourceConfig.model_validate(settings | {"domain": "young adults"})) == ["scale:1-10"]
