"""How systems answer: ended, length, repetition, unread labels, thoughts; values by hand."""

import pytest

from eval.scores.habits import habits_of, repetition
from eval.scores.metric import Answer, Reference

REFERENCES = [Reference(["긍정"], "ko", "긍정"), Reference(["부정"], "ko", "부정")]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("one two three four five", 0.0),
        ("a b a b a b", 1 / 3),  # abab, baba, abab
        ("네 " * 8, 4 / 5),
        ("哈" * 8, 4 / 5),  # by characters: no spaces
        ("a b c", None),
        ("", None),
    ],
)
def test_repetition_is_the_share_of_4_grams_that_stood_before(text: str, share: float | None) -> None:
    assert repetition(text) == (share if share is None else pytest.approx(share))


def test_habits_of_each_system() -> None:
    answers = {
        "tuned": [Answer("긍정", 9, True, "좋다 했다", 7), Answer("긍정 또는 부정", 20, False)],
        "majority": [Answer("긍정"), Answer("긍정")],
    }
    assert habits_of(answers, REFERENCES, ["긍정", "부정"]) == {
        "stop_rate": {"tuned": 0.5},
        "length_ratio": {"tuned": 10 / 4, "majority": 1.0},
        "repetition": {"tuned": 0.0, "majority": 0.0},
        "unread": {"tuned": 0.5, "majority": 0.0},
        "thought_tokens": {"tuned": 3.5},
    }
    plain = habits_of({"tuned": [Answer("네", 1, True)] * 2}, REFERENCES)
    assert plain.keys() == {"stop_rate", "length_ratio", "repetition"}
