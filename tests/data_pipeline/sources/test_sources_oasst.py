"""Message trees: threads by rank, what they leave away."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_helpers import reasons_of


def says(role: str, text: str, *replies: dict, rank: int | None = None, **more: Any) -> dict:
    return {"message_id": text, "role": role, "text": text, "replies": list(replies), "rank": rank, **more}


def asks(text: str, *replies: dict, **more: Any) -> dict:
    return says("prompter", text, *replies, **more)


def answers(text: str, *replies: dict, **more: Any) -> dict:
    return says("assistant", text, *replies, **more)


TREE = asks(
    "q",
    answers("second", rank=1),
    answers("best", asks("unanswered", rank=0), asks("more", answers("end", rank=0), rank=1), rank=0),
    answers("unranked", asks("tail")),
)


def read_tree(read_files: Any, tree: Any, **more: Any) -> list[dict]:
    line = json.dumps({"message_tree_id": "t1", "prompt": tree})
    return read_files({"t.jsonl": line}, format="oasst", **more)


def threads(rows: list[dict]) -> list[list[str]]:
    return [[turn["content"] for turn in row["messages"]] for row in rows if "reason" not in row]


def test_best_follows_the_best_ranked_reply_that_goes_on(read_files: Any) -> None:
    rows = read_tree(read_files, TREE)
    assert threads(rows) == [["q", "best", "more", "end"]]
    assert [turn["role"] for turn in rows[0]["messages"]] == ["user", "assistant"] * 2
    assert rows[0]["fields"]["answer"] == "end"
    assert reasons_of(rows) == [None]


def test_all_gives_every_path_to_a_last_answer_and_counts_the_tails(read_files: Any) -> None:
    rows = read_tree(read_files, TREE, threads="all")
    assert threads(rows) == [["q", "second"], ["q", "best", "more", "end"], ["q", "unranked"]]
    assert reasons_of(rows) == [None] * 3 + ["unanswered_turn"] * 2
    assert [row["sub_record"] for row in rows] == [0, 1, 2, 3, 4]
    assert 'message tail: "tail"' in rows[4]["detail"]
    assert {row["family_key"] for row in rows[:3]} == {"s:t1"}


def test_ranks_decide_and_the_file_where_there_are_none(read_files: Any) -> None:
    tree = asks("q", answers("a"), answers("b"), answers("c", rank=3), answers("d", rank=2))
    assert threads(read_tree(read_files, tree)) == [["q", "d"]]
    assert threads(read_tree(read_files, asks("q", answers("a"), answers("b")))) == [["q", "a"]]
    nothing: Any = float("nan")  # as pandas writes what is not there
    tree = asks("q", answers("a", rank=nothing) | {"replies": nothing}, answers("b", rank=2))
    assert threads(read_tree(read_files, tree)) == [["q", "b"]]


def test_a_deleted_message_goes_with_all_below_it(read_files: Any) -> None:
    tree = asks("q", answers("gone", asks("x", answers("y")), rank=0, deleted=True), answers("kept", rank=1))
    rows = read_tree(read_files, tree)
    assert threads(rows) == [["q", "kept"]]
    assert reasons_of(rows) == [None, "deleted_message"]
    assert reasons_of(read_tree(read_files, asks("q", deleted=True))) == ["deleted_message"]


def test_synthetic_and_language_are_those_of_the_thread(read_files: Any) -> None:
    tree = asks("q", answers("a", lang="ko", synthetic=True), answers("b", lang="fr"), synthetic=True)
    rows = read_tree(read_files, tree, threads="all")
    assert [(row["synthetic"], row["language"]) for row in rows] == [(True, "ko"), (False, "other")]


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (asks("q"), "unanswered_turn"),
        (asks("q", answers(" ")), "no_answer"),
        (asks("q", says("tool", "x")), "unknown_role"),
        (asks("q", {"role": "assistant", "text": None}), "wrong_type"),
        (asks("q", "x"), "wrong_type"),  # type: ignore[arg-type]
        ("q", "missing_field"),
    ],
)
def test_each_rule_rejects_its_tree(read_files: Any, tree: Any, reason: str) -> None:
    assert reasons_of(read_tree(read_files, tree)) == [reason]


@st.composite
def trees(draw: Any, role: str = "prompter", depth: int = 4) -> dict:
    other = "assistant" if role == "prompter" else "prompter"
    replies = draw(st.lists(trees(other, depth - 1), max_size=3)) if depth else []
    rank = draw(st.none() | st.integers(0, 3))
    return says(
        role, draw(st.sampled_from("abc")), *replies, rank=rank, deleted=draw(st.booleans()) and depth < 4
    )


def leaves(node: dict) -> tuple[int, int]:
    """Answers that no live answer follows, and live questions without one; counted apart from the reader."""
    below = [leaves(reply) for reply in node["replies"] if not reply["deleted"]]
    ends, tails = sum(a for a, _ in below), sum(b for _, b in below)
    if ends == 0 and node["role"] == "assistant":
        return 1, tails
    return (0, tails + 1) if ends == 0 else (ends, tails)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees())
def test_every_path_is_a_row_and_every_tail_a_line(read_files: Any, tree: dict) -> None:
    found = reasons_of(read_tree(read_files, tree, threads="all"))
    assert (found.count(None), found.count("unanswered_turn")) == leaves(tree)
    best = read_tree(read_files, tree)
    assert len(threads(best)) == min(1, leaves(tree)[0]) or reasons_of(best).count("unanswered_turn")
