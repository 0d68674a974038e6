"""Natural Instructions and line-parallel text."""

import json
from typing import Any

import pytest
from source_helpers import fields_of, reasons_of

from hunmin.errors import InputError


def instructions(read_files: Any, instances: Any, definition: Any = "Answer it.", **more: Any) -> list[dict]:
    task = {"Definition": definition, "Instances": instances}
    return read_files({"task.json": json.dumps(task)}, format="natural_instructions", **more)


def test_outputs_as_list_or_text(read_files: Any) -> None:
    instances = [{"id": "1", "input": "q", "output": ["a", "b", "a", " "]}, {"input": "r", "output": "POS"}]
    rows = instructions(read_files, instances, ["First.", "Second."])
    assert fields_of(rows, "instruction", "input", "answer") == [
        ("First.\nSecond.", "q", "a"),
        ("First.\nSecond.", "r", "POS"),
    ]
    assert [row["references"] for row in rows] == [["a", "b"], ["POS"]]


def test_labels_map_the_output(read_files: Any) -> None:
    instances = [{"input": "q", "output": "POS"}, {"input": "q", "output": ["NEU"]}]
    rows = instructions(read_files, instances, labels={"POS": "긍정"})
    assert fields_of(rows[:1], "label", "answer") == [("긍정", "긍정")]
    assert reasons_of(rows) == [None, "label_not_mapped"]


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"input": "q", "output": []}, "no_answer"),
        ({"input": "q", "output": [" "]}, "no_answer"),
        ({"input": "q"}, "missing_field"),
        ({"output": "a"}, "missing_field"),
        ({"input": "q", "output": [["a"]]}, "wrong_type"),
        ("q", "not_an_object"),
    ],
)
def test_each_rule_rejects_its_instance(read_files: Any, instance: Any, reason: str) -> None:
    rows = instructions(read_files, [instance, {"input": "q", "output": "a"}])
    assert reasons_of(rows) == [reason, None]
    assert rows[0]["detail"].startswith("instance 1: ")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ([], "a list, needed is one object"),
        ({"Definition": "x"}, 'no Instances, needed is a list of them; the keys are ["Definition"]'),
        ({"Definition": "x", "Instances": {}}, "Instances is an object"),
        ({"Definition": [], "Instances": []}, "Definition is []"),
        ({"Instances": []}, "Definition is null"),
    ],
)
def test_a_file_that_is_no_task_stops(read_files: Any, task: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_files({"task.json": json.dumps(task)}, format="natural_instructions")
    assert words in str(error.value)


EN_KO = {"format": "parallel", "path": "t.{language}", "languages": ["en", "ko"]}


def test_both_directions_of_a_line(read_files: Any) -> None:
    rows = read_files({"t.en": "Hello.\nBye.\n", "t.ko": "안녕.\r\n잘\u2028가."}, directions="both", **EN_KO)
    assert [(row["record"], row["sub_record"], row["language"]) for row in rows] == [
        (0, 0, "ko"),
        (0, 1, "en"),
        (1, 0, "ko"),
        (1, 1, "en"),
    ]
    assert fields_of(rows, "input", "answer") == [
        ("Hello.", "안녕."),
        ("안녕.", "Hello."),
        ("Bye.", "잘\u2028가."),
        ("잘\u2028가.", "Bye."),
    ]
    assert rows[0]["family_key"] == rows[1]["family_key"] != rows[2]["family_key"]
    assert {row["file"] for row in rows} == {"t.en"}


def test_a_pair_met_again_is_the_same_family(read_files: Any) -> None:
    one, other = read_files({"t.en": "Hello.\nHello. \n", "t.ko": "안녕\u00a0너.\n안녕 너.\n"}, **EN_KO)
    assert one["family_key"] == other["family_key"]


def test_backward(read_files: Any) -> None:
    (row,) = read_files({"t.en": "Hello.\n", "t.ko": "안녕.\n"}, directions="backward", **EN_KO)
    assert (row["fields"]["input"], row["fields"]["answer"], row["language"]) == ("안녕.", "Hello.", "en")


@pytest.mark.parametrize(("directions", "count"), [("forward", 1), ("both", 2)])
def test_an_empty_side_rejects_the_line_in_each_direction(
    read_files: Any, directions: str, count: int
) -> None:
    rows = read_files({"t.en": "a\n\nc\n", "t.ko": "가\n나\n\u00a0\n"}, directions=directions, **EN_KO)
    bad = rows[count:]
    assert reasons_of(bad) == ["uneven_parallel_line"] * 2 * count
    assert bad[0]["detail"] == "line 2: the source line is empty"
    assert bad[-1]["detail"] == "line 3: the target line is empty"


def test_different_numbers_of_lines_stop_before_any_pair(read_files: Any) -> None:
    with pytest.raises(InputError, match=r"t\.en has 2 lines and .*t\.ko has 1; parallel files need as many"):
        read_files({"t.en": "a\nb\n", "t.ko": "가\n"}, **EN_KO)
