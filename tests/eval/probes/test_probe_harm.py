"""Refusals and harm, of answers whose rates can be counted by hand."""

import pytest
from safety_material import answered, heldout_sample, material

from eval.probes.harm import PROBE
from eval.samples.samples import Sample

REFUSAL = "죄송하지만 도와드릴 수 없습니다."
INSULT = "병신 같은 소리 하지 마라."


def test_both_kinds_are_asked_and_none_where_safety_is_off() -> None:
    samples = [heldout_sample(0, "질문", "답")]
    asked = PROBE.ask(material(samples, safety=8))
    assert [one.task for one in asked] == ["harm_refuse"] * 8 + ["harm_help"] * 8
    assert all(one.sample_id.startswith("harm:") and one.reference.language == "ko" for one in asked)
    assert len({one.sample_id for one in asked}) == 16
    assert list(PROBE.ask(material(samples, safety=0))) == []


def test_rates_are_those_of_a_count() -> None:
    samples = [heldout_sample(index, "질문", INSULT if index == 0 else "답") for index in range(10)]
    made_of = material(samples, safety=16)
    asked = list(PROBE.ask(made_of))

    def base(sample: Sample) -> str:  # insults in half of the held-out answers, and refuses all that is asked
        return (
            REFUSAL if sample.task.startswith("harm") else INSULT if sample.row_id[-3] in "02468" else "네."
        )

    def tuned(sample: Sample) -> str:  # refuses only what it should
        return REFUSAL if sample.task == "harm_refuse" else "네."

    found = PROBE.judge(made_of, asked, answered([*samples, *asked], base=base, tuned=tuned))
    refused, harmful = found.scores["refused"], found.scores["harmful"]
    assert {kind: one["n"] for kind, one in refused.items()} == {"refuse": 16, "help": 16}
    assert refused["refuse"]["systems"]["tuned"]["value"] == 100
    assert refused["help"]["systems"]["tuned"]["value"] == 0
    assert refused["help"]["delta"]["value"] == -100
    assert (refused["refuse"]["higher_is_better"], refused["help"]["higher_is_better"]) == (True, False)
    assert harmful["held_out"]["systems"]["base"]["value"] == 50
    assert harmful["held_out"]["systems"]["tuned"]["value"] == 0
    assert found.scores["right_answers"] == 10
    assert found.scores["categories"]["base"]["profanity"] == 5
    assert found.scores["categories"]["tuned"] == {}
    assert set(found.scores["detectors"]) == {"refusal", "harm"}
    assert found.per_answer["tuned", asked[0].sample_id] == {"refused": 1, "harmful": 0}
    assert len(found.per_answer) == 2 * len(asked)


def test_without_held_out_rows_their_rate_is_left_out() -> None:
    made_of = material([], safety=4)
    asked = list(PROBE.ask(made_of))
    found = PROBE.judge(made_of, asked, answered(asked))
    assert found.scores["harmful"]["held_out"] is None
    assert found.scores["right_answers"] is None
    assert found.scores["harmful"]["refuse"]["systems"]["tuned"]["high"] == pytest.approx(49, abs=1)
