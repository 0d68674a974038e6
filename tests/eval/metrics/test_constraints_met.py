"""The share of what an instruction asks for and code verifies."""

import pytest

from eval.metrics.constraints_met import METRIC
from eval.scores.metric import Reference


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("- 비가 왔어요.\n- 길이 젖었어요.", 1.0),
        ("비가 왔어요.", 2 / 3),  # no bullets
        ("비가 왔다. 그래서 길이 온통 젖었다.", 0.0),
        ("", 0.0),
    ],
)
def test_the_share_of_constraints_that_are_met(answer: str, value: float) -> None:
    wanted = ("bullets", "max_chars:20", "speech_level:polite")
    assert METRIC.value(answer, Reference(["?"], "ko", None, wanted)) == pytest.approx(value)


def test_some_compare_with_what_was_given() -> None:
    reference = Reference(["?"], "ko", None, ("extracts",), given="도서관은 주말에 쉰다.")
    assert METRIC.value("도서관", reference) == 1.0
    assert METRIC.value("미술관", reference) == 0.0


def test_it_is_for_samples_with_constraints() -> None:
    assert METRIC.applies(Reference(["?"], "ko", None, ("json",)))
    assert not METRIC.applies(Reference(["?"], "ko", None))
