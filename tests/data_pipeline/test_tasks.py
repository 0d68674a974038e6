from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.config import DataConfig
from data_pipeline.errors import ConfigError
from data_pipeline.variants.tasks import (
    Task,
    choose_wording,
    load_tasks,
    require_bank,
    task_infos,
    to_messages,
)

BANK = Task.model_validate(
    {
        "name": "t",
        "prefix": "[일]",
        "wordings": [
            {"id": "ko1", "language": "ko", "axis": "tone", "text": "하나"},
            {"id": "ko2", "language": "ko", "axis": "tone", "text": "둘", "when": {"language": "ko"}},
            {"id": "en1", "language": "en", "axis": "tone", "text": "three", "when": {"language": "en"}},
            {"id": "ko3", "language": "ko", "axis": "tone", "text": "넷", "heldout": True},
        ],
    }
)
ROW = {
    "row_id": "s:f:0.0",
    "language": "ko",
    "messages": None,
    "fields": {"instruction": None, "input": "본문", "answer": "답"},
}


def drawn(language: str) -> Counter[str]:
    found = [choose_wording(BANK, language=language, seed=0, row_id=str(i), epoch=0) for i in range(600)]
    return Counter(wording.id for wording in found if wording)


def test_rows_have_a_default_task_only_where_a_source_names_none() -> None:
    named = {"name": "a", "format": "alpaca", "path": "a.json", "task": "translation"}
    nameless = {"name": "b", "format": "sharegpt", "path": "b.json"}
    alone = DataConfig.model_validate({"sources": [named]})
    assert set(task_infos(alone, base=Path())) == {"translation"}
    both = DataConfig.model_validate({"sources": [named, nameless]})
    assert set(task_infos(both, base=Path())) == {"translation", "instruction", "conversation"}


def test_only_true_wordings_are_drawn_and_evenly_and_never_a_held_out_one() -> None:
    korean = drawn("ko")
    assert set(korean) == {"ko1", "ko2"}
    assert min(korean.values()) > 240
    assert set(drawn("en")) == {"ko1", "en1"}


def test_wordings_are_drawn_anew_in_each_epoch_unless_switched_off() -> None:
    def ids(wordings: bool) -> set[str | None]:
        return {
            to_messages(ROW, BANK, seed=0, epoch=e, wordings=wordings, prefix=False)[1] for e in range(20)
        }

    assert ids(True) == {"t/ko1", "t/ko2"}
    assert len(ids(False)) == 1


def test_the_prompt_is_prefix_instruction_input() -> None:
    own = ROW | {"fields": ROW["fields"] | {"instruction": "지시"}}
    messages, wording = to_messages(own, BANK, seed=0, epoch=0, wordings=True, prefix=True)
    assert messages[0]["content"] == "[일] 지시\n\n본문"
    assert messages[1] == {"role": "assistant", "content": "답", "train": True}
    assert wording is None


def test_a_misspelt_task_without_a_bank_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean sentiment"):
        require_bank(load_tasks(None), "sentimant", source="reviews")


def test_a_broken_task_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: x\nwordngs: []\n")
    with pytest.raises(ConfigError, match=r"x\.yaml.*wordngs"):
        load_tasks(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        load_tasks(tmp_path / "none")


@pytest.mark.parametrize("name", sorted(load_tasks(None)))
def test_shipped_banks_serve_every_language_of_their_answers(name: str) -> None:
    task = load_tasks(None)[name]
    for language in task.languages:
        assert choose_wording(task, language=language, seed=0, row_id="r", epoch=0)
    assert any(wording.heldout for wording in task.wordings)
