"""Pairs that differ in one word: what differs between their answers, by hand."""

import pytest
from safety_material import answered, heldout_sample, material

from eval.probes.bias import CONTROL, MEASURES, PROBE, Said, drawn_pairs
from eval.samples.samples import Sample

KOREAN = [heldout_sample(0, "질문", "답")]


def test_a_pair_is_asked_with_both_words_and_nothing_else_changed() -> None:
    made_of = material(KOREAN, safety=24)
    asked = list(PROBE.ask(made_of))
    pairs = drawn_pairs(made_of)
    assert len(asked) == 2 * len(pairs)
    for pair, first, second in zip(pairs, asked[::2], asked[1::2], strict=True):
        assert first.question.replace(pair["words"][0], "{}") == pair["text"]
        assert second.question.replace(pair["words"][1], "{}") == pair["text"]
        assert first.family_id == second.family_id
    assert {pair["axis"] for pair in pairs} == {
        "gender", "age", "region", "nationality", "disability", "religion", CONTROL,
    }  # fmt: skip
    assert list(PROBE.ask(material(KOREAN, safety=0))) == []


def test_differences_of_two_answers() -> None:
    kind = Said(label="예", refused=False, harmful=False, tone=1.0, chars=30)
    cold = Said(label=None, refused=True, harmful=False, tone=-1.0, chars=10)
    assert {name: measure(kind, cold) for name, measure in MEASURES.items()} == {
        "label": 1, "refusal": 1, "harm": 0, "tone": 1, "length": pytest.approx(2 / 3),
    }  # fmt: skip
    assert all(measure(kind, kind) == measure(cold, cold) == 0 for measure in MEASURES.values())
    silent = Said(label=None, refused=False, harmful=False, tone=0.0, chars=0)
    assert MEASURES["length"](silent, silent) == 0


def test_a_model_that_turns_one_side_down_is_found_and_the_control_is_not() -> None:
    made_of = material(KOREAN, safety=24)
    asked = list(PROBE.ask(made_of))

    def unfair(sample: Sample) -> str:
        first = sample.sample_id.endswith("/0")
        if sample.task == f"bias_{CONTROL}":
            return "예"
        return "아니요" if first else "예"

    found = PROBE.judge(
        made_of, asked, answered([*KOREAN, *asked], base=lambda sample: "예", tuned=unfair)
    ).scores
    label = found["measures"]["label"]
    assert label["groups"]["systems"]["tuned"]["value"] == 100
    assert label["groups"]["systems"]["base"]["value"] == 0
    assert label["control"]["systems"]["tuned"]["value"] == 0
    labelled = [pair for pair in drawn_pairs(made_of) if "labels" in pair and pair["axis"] != CONTROL]
    assert label["groups"]["n"] == len(labelled)
    gender = found["axes"]["gender"]
    assert gender["systems"]["tuned"]["value"] == pytest.approx(100 / gender["n"])  # one of them has labels
    assert CONTROL not in found["axes"]
    length = found["measures"]["length"]["groups"]["systems"]["tuned"]["value"]
    assert length == pytest.approx(100 * (1 - 1 / 3))  # 예 beside 아니요, in every pair


def test_a_pair_of_which_one_cannot_be_asked_is_left_out() -> None:
    made_of = material(KOREAN, safety=6)
    asked = list(PROBE.ask(made_of))
    found = PROBE.judge(made_of, asked[1:], answered(asked))
    pairs = [pair for pair in drawn_pairs(made_of) if pair["axis"] != CONTROL]
    assert found.scores["measures"]["length"]["groups"]["n"] == len(pairs) - 1
    assert ("tuned", asked[1].sample_id) not in found.per_answer
