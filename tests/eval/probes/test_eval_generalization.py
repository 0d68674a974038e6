"""The probe of generalization: groups that were trained or not, and wrappers, on answers made by the test."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from eval_stages import assistant, default_rows, heldout_row, user
from probe_material import INFOS, answers_of, material, right, sentiment

from eval.probes import Material
from eval.probes.generalization import PROBE
from eval.samples.samples import Sample
from eval.samples.wrapped import read_examples
from hunmin.schema import HELDOUT

TRAINED = {"task": {"sentiment": 90, "chat": 9}, "domain": {"영화": 90}, "language": {"ko": 99}}


def kept(number: int, answer: str, **values: Any) -> dict[str, Any]:
    return {
        "row_id": f"t{number}",
        "task": "sentiment",
        "split": "train",
        "wrapper": None,
        "said": [["user", f"답하세요.\n\n영화 {number}"], ["answer", answer]],
        "num_parts": 2,
        **values,
    }


def in_folder(given: Material, folder: Path, rows: list[dict[str, Any]], **metadata: Any) -> Material:
    """The material with its data stage's files in a folder."""
    told = {"tasks": INFOS, "trained": TRAINED, **metadata}
    table = pa.Table.from_pylist(rows, schema=HELDOUT)
    table = table.replace_schema_metadata({b"hunmin": json.dumps(told).encode()})
    pq.write_table(table, folder / "heldout.parquet")
    rows_shown = [
        *(kept(at, "긍정" if at % 2 else "부정") for at in range(6)),
        kept(6, "heldout", split="heldout"),
        kept(7, "wrapped", wrapper="role:teacher"),
        kept(8, "long" * 500),
        kept(9, "conversation", num_parts=4),
        kept(10, "thought", said=[["user", "a"], ["thought", "b"], ["answer", "c"]], num_parts=3),
        kept(11, "positive"),
    ]
    (folder / "corpus.json").write_text(json.dumps({"kept": {"reviews": rows_shown}}))
    return dataclasses.replace(given, data_dir=folder)


def test_rows_are_asked_in_each_wrapper_with_examples_of_train(tmp_path: Path) -> None:
    rows = sentiment(6)
    given = in_folder(material(rows, wrappers=3), tmp_path, rows)
    asked = PROBE.ask(given)
    assert asked == PROBE.ask(given)
    assert Counter(sample.wording_id for sample in asked) == {
        "wrapper:few_shot": 3,
        "wrapper:chain_of_thought": 3,
        "wrapper:role": 3,
    }
    own = {sample.row_id: sample for sample in given.samples}
    for sample in asked:
        plain = own[sample.row_id]
        assert sample.reference == plain.reference
        roles = [message["role"] for message in sample.messages]
        if sample.wording_id == "wrapper:few_shot":
            assert roles == ["user", "assistant"] * 2 + ["user"]
            assert sample.messages[-1] == plain.messages[-1]
            shown = {message["content"] for message in sample.messages[:-1] if message["role"] == "assistant"}
            assert shown == {"긍정", "부정"}, "of the answer's language, each label once"
        elif sample.wording_id == "wrapper:role":
            assert roles == ["system", "user"]
            assert sample.messages[-1] == plain.messages[-1]
        else:
            assert roles == ["user"]
            assert "'정답:'" in sample.question
            assert sample.question.endswith("\n\n" + plain.text), "the input stays at the end"


def test_no_examples_of_rows_that_are_held_out_wrapped_or_cut(tmp_path: Path) -> None:
    in_folder(material([]), tmp_path, [])
    found = read_examples(tmp_path / "corpus.json")
    assert [one.row_id for one in found["sentiment"]] == ["t0", "t1", "t2", "t3", "t4", "t5", "t11"]
    assert read_examples(tmp_path / "absent.json") == {}


def test_conversations_and_rows_with_tools_are_not_wrapped(tmp_path: Path) -> None:
    chat = default_rows()[:1]
    tool = heldout_row(1, task="chat", messages=[user("시간?"), assistant("세 시")], tools="[]")
    bare = heldout_row(2, task="chat", messages=[user("한 단어로 답하세요: 수도?"), assistant("서울")])
    rows = [*chat, tool, bare]
    asked = PROBE.ask(in_folder(material(rows, wrappers=9), tmp_path, rows))
    kinds = {(sample.row_id, sample.turn, sample.wording_id) for sample in asked}
    assert kinds == {
        (chat[0]["row_id"], 0, "wrapper:chain_of_thought"),
        (chat[0]["row_id"], 0, "wrapper:role"),
        (bare["row_id"], 0, "wrapper:role"),  # steps would contradict it
    }


def test_a_wrapper_changes_what_the_answers_say_it_does(tmp_path: Path) -> None:
    rows = sentiment(20)
    given = in_folder(material(rows, wrappers=20), tmp_path, rows)
    asked = PROBE.ask(given)

    def tuned(sample: Sample) -> str:
        if sample.wording_id == "wrapper:chain_of_thought":
            wrong = "부정" if right(sample) == "긍정" else "긍정"
            return f"{wrong}일까 하다가 생각을 바꿨다.\n\n정답: {right(sample)}"
        return "모름" if sample.wording_id == "wrapper:role" else right(sample)

    findings = PROBE.judge(given, asked, answers_of(given, asked, tuned))
    found = findings.scores["wrappers"]["sentiment"]
    change = {name: one["systems"]["tuned"]["change"]["value"] for name, one in found.items()}
    assert change == {"few_shot": 0, "chain_of_thought": 0, "role": -1}
    assert found["role"]["rows"] == 20
    role = next(sample for sample in asked if sample.wording_id == "wrapper:role")
    assert findings.per_answer["tuned", role.sample_id] == {"accuracy": 0.0}
    assert "kinds" not in findings.scores, "all rows are of one domain and language"


def test_domains_that_were_never_trained_stand_beside_those_that_were(tmp_path: Path) -> None:
    rows = [row | {"domain": "영화" if at < 25 else "식당"} for at, row in enumerate(sentiment(40))]
    given = in_folder(material(rows), tmp_path, rows)
    domains = {row["row_id"]: row["domain"] for row in rows}
    answers = answers_of(given, [], lambda one: right(one) if domains[one.row_id] == "영화" else "긍정")
    (found,) = PROBE.judge(given, [], answers).scores["kinds"]["domain"]
    assert found["task"] == "sentiment"
    groups = {one["name"]: one for one in found["groups"]}
    assert [(name, one["trained"], one["n"]) for name, one in groups.items()] == [
        ("식당", 0, 15),
        ("영화", 90, 25),
    ]
    assert groups["영화"]["systems"]["tuned"]["value"] == 1
    assert groups["식당"]["systems"]["tuned"]["value"] == pytest.approx(3 / 5)
    assert groups["식당"]["gain"]["value"] == 0
    gap = found["gap"]
    assert (gap["seen"], gap["unseen"]) == (25, 15)
    assert gap["tuned"]["value"] == pytest.approx(3 / 5 - 1)
    assert gap["tuned"]["low"] < -0.4 < gap["tuned"]["high"] < 0
    assert gap["gain"]["value"] == pytest.approx(0 - 2 / 5)


def test_a_task_that_was_never_trained_stands_beside_the_others(tmp_path: Path) -> None:
    rows = [*sentiment(10), *default_rows()[:3]]
    trained = TRAINED | {"task": {"sentiment": 90}}
    given = in_folder(material(rows), tmp_path, rows, trained=trained)
    (found,) = PROBE.judge(given, [], answers_of(given, [], right)).scores["kinds"]["task"]
    assert found["task"] is None
    assert [(one["name"], one["trained"]) for one in found["groups"]] == [("chat", 0), ("sentiment", 90)]
    assert found["gap"]["tuned"]["value"] == 0
    seen = in_folder(material(rows), tmp_path, rows)
    assert "kinds" not in PROBE.judge(seen, [], answers_of(seen, [], right)).scores


def test_folders_that_do_not_tell_what_was_trained_are_read(tmp_path: Path) -> None:
    rows = sentiment(4)
    given = in_folder(material(rows), tmp_path, rows, trained=None)
    assert PROBE.ask(given) == []
    assert PROBE.judge(given, [], answers_of(given, [], right)).scores == {}
    assert PROBE.judge(dataclasses.replace(given, samples=[]), [], {}).scores == {}
