"""Labels in answers, and the metrics on them."""

import pytest

from eval.scores.intervals import value_of
from eval.scores.labelled import Accuracy, ExactMatch, LabelExtractor, MacroF1
from eval.scores.metric import Reference


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("긍정", "긍정"),
        ("긍정입니다.", "긍정"),
        ("이 리뷰는 긍정적인 평가예요", "긍정"),
        ("정답: '부정'", "부정"),
        ("\u1107\u116e\u110c\u1165\u11bc", "부정"),  # NFD
        ("부정이 아니라 긍정", None),  # denied, listed: several labels are none
        ("긍정이 아니라 부정입니다", None),
        ("긍정 또는 부정: 부정", None),
        ("긍정부정", None),
        ("긍정, 긍정!", "긍정"),  # the same one twice
        ("긍정도 하고 긍정이라고 봅니다", "긍정"),
        ("부정확한 글입니다", None),  # another word
        ("부정확하지만 긍정", "긍정"),
        ("부정부패를 다룬 영화라 긍정적으로 봅니다", "긍정"),
        ("비긍정보다는 부정", "부정"),  # 긍정 stands inside a word, 부정 begins one
        ("매우긍정", "긍정"),  # alone, even inside a word
        ("모르겠습니다", None),
        ("", None),
    ],
)
def test_korean_labels(answer: str, label: str | None) -> None:
    assert LabelExtractor(["긍정", "부정"])(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("매우 긍정입니다", "매우 긍정"),
        ("긍정", "긍정"),
        ("매우 부정적", None),
        ("긍정 아니면 매우 긍정", None),  # two labels
        ("매우 긍정, 참 매우 긍정", "매우 긍정"),
    ],
)
def test_a_label_within_a_longer_one_gives_way(answer: str, label: str | None) -> None:
    assert LabelExtractor(["긍정", "매우 긍정"])(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("NO!", "no"),
        ("I know it, yes", "yes"),
        ("I know", None),
        ("yesterday", None),
        ("yes입니다", "yes"),
        ("no, not yes", None),
        ("Yes. yes!", "yes"),
    ],
)
def test_latin_labels_are_words(answer: str, label: str | None) -> None:
    assert LabelExtractor(["yes", "no"])(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [("4점", "4"), ("14", None), ("4.5점", None), ("10점 만점", "10"), ("답은 1.", "1"), ("3.4", None)],
)
def test_digit_labels_are_numbers(answer: str, label: str | None) -> None:
    assert LabelExtractor(["1", "4", "10"])(answer) == label


def refs(*labels: str | None) -> list[Reference]:
    return [Reference([label or "?"], "ko", label) for label in labels]


def test_several_labels_are_wrong_whichever_comes_first() -> None:
    labels = ["positive", "negative"]
    right = refs("positive", "negative")
    given = ["not positive; negative", "not positive; negative"]
    accuracy, macro_f1 = Accuracy(labels), MacroF1(labels)
    assert value_of(accuracy.statistics(given, right), accuracy.aggregate) == 0.0
    assert value_of(macro_f1.statistics(given, right), macro_f1.aggregate) == 0.0


def test_macro_f1_and_accuracy_worked_by_hand() -> None:
    right = refs("긍정", "긍정", "긍정", "부정", "부정", "중립")
    given = ["긍정", "긍정입니다", "부정", "부정", "몰라요", "긍정"]
    # 긍정: TP 2, given 3, right 3: 4/6.  부정: TP 1, given 2, right 2: 2/4.  중립: TP 0: 0.  absent: no part.
    metric = MacroF1(["긍정", "부정", "중립", "혼합"])
    value = value_of(metric.statistics(given, right), metric.aggregate)
    assert value == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)
    accuracy = Accuracy(["긍정", "부정", "중립", "혼합"])
    assert value_of(accuracy.statistics(given, right), accuracy.aggregate) == pytest.approx(3 / 6)


def test_a_sample_without_a_right_label_is_wrong_and_counted() -> None:
    metric = Accuracy(["긍정"])
    assert metric.value("몰라요", refs(None)[0]) == 0.0
    assert metric.num_undefined(refs(None, "긍정")) == 1


def test_exact_match_ignores_white_space_and_normal_form() -> None:
    reference = Reference(["가 나", "다"], "ko", None)
    values = [ExactMatch().value(text, reference) for text in (" 가  나\n", "\u1103\u1161", "가나", "다.")]
    assert values == [1.0, 1.0, 0.0, 0.0]
