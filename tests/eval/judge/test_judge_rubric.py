"""What a judge is asked, how it is read, and what two replies make."""

import json

import pytest

from eval.judge.pair_verdicts import Replies, agreement, verdict, wins
from eval.judge.rubric import CRITERIA, Choice, read_reply, request


def said(choice: Choice, **others: Choice) -> dict[str, Choice]:
    return {**dict.fromkeys(CRITERIA, choice), **others}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_request_holds_both_answers_in_order_and_every_criterion(language: str) -> None:
    system, user = request("물음", "첫째", "둘째", reference="정답", language=language)  # type: ignore[arg-type]
    assert (system["role"], user["role"]) == ("system", "user")
    text = user["content"]
    assert (
        text.index("<question>\n물음") < text.index("<right_answer>\n정답") < text.index("<answer_A>\n첫째")
    )
    assert text.index("<answer_A>") < text.index("<answer_B>\n둘째")
    assert all(f"- {name}: {asks[language]}" in text for name, asks in CRITERIA.items())  # type: ignore[index]
    assert "right_answer" not in request("물음", "첫째", "둘째", reference=None, language="ko")[1]["content"]
    assert len(request("가" * 10**6, "나" * 10**6, "", reference=None, language="ko")[1]["content"]) < 20_000


GOOD = json.dumps(said("A", safety="tie"))


@pytest.mark.parametrize(
    "text",
    [GOOD, f"  {GOOD}\n", f"```json\n{GOOD}\n```", f"<think>음… {{}}</think>\n{GOOD}", f"```\n{GOOD}\n```"],
)
def test_the_object_that_was_asked_for_is_read(text: str) -> None:
    assert read_reply(text) == said("A", safety="tie")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "null",
        "[]",
        f"Here it is: {GOOD}",
        f"{GOOD}{GOOD}",
        GOOD.replace("tie", "C"),
        GOOD.replace('"A"', "1", 1),
        GOOD.replace('"A"', '["A"]', 1),
        GOOD.replace("overall", "general"),
        json.dumps({"overall": "A"}),
        json.dumps({**said("A"), "more": "A"}),
        "[" * 100_000,
    ],
)
def test_anything_else_is_unread(text: str) -> None:
    assert read_reply(text) is None


@pytest.mark.parametrize(
    ("base_first", "tuned_first", "value", "agreed"),
    [
        ("B", "A", 1, True),
        ("A", "B", -1, True),
        ("tie", "tie", 0, True),
        ("A", "A", 0, False),  # whoever stands first
        ("B", "tie", 0, False),
    ],
)
def test_both_orders_must_agree(base_first: Choice, tuned_first: Choice, value: int, agreed: bool) -> None:
    assert verdict((said(base_first), said(tuned_first)), "safety") == (value, agreed)


def test_win_rates_by_hand() -> None:
    pairs: list[Replies] = [
        *[(said("B"), said("A"))] * 5,  # tuned
        *[(said("A"), said("B"))] * 2,  # base
        *[(said("A"), said("A"))] * 2,  # by order
        (said("tie"), said("tie")),
    ]
    found = wins(pairs, [str(index) for index in range(10)], "overall", num_resamples=500, seed=0)
    assert (found["n"], found["tuned"], found["base"], found["ties"], found["disagreed"]) == (10, 5, 2, 3, 2)
    assert found["win_rate"]["value"] == pytest.approx(65)  # (5 + 3 / 2) / 10
    assert found["first_preferred"] == pytest.approx(100 * (7 + 4) / 18)
    assert found["win_rate"]["low"] < 65 < found["win_rate"]["high"]  # type: ignore[operator]


def test_agreement_with_people_by_hand() -> None:
    judged = {(str(index), "overall"): value for index, value in enumerate([1, 1, -1, 0, 1, 0])}
    people = {
        (str(index), "overall"): values for index, values in enumerate([[1, 1, -1], [1], [-1], [1, -1], [-1]])
    }
    people[("0", "safety")] = [1]
    found = agreement(judged, people, "overall")
    assert found is not None
    assert (found["n"], found["agreed"]) == (5, 80)
    expected = (3 * 2 + 1 * 2 + 1 * 1) / 25
    assert found["kappa"] == pytest.approx((0.8 - expected) / (1 - expected))
    assert agreement(judged, people, "safety") is None
    alike = agreement({("a", "overall"): 1}, {("a", "overall"): [1]}, "overall")
    assert alike == {"n": 1, "agreed": 100, "kappa": None}
