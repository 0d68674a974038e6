"""Turns asked behind the model's own answers, round after round; scores by hand."""

from collections.abc import Sequence
from typing import Any

from eval_stages import TASKS, assistant, heldout_row, user

from eval.answering.asker import Answers
from eval.samples.own_history import ask_on, compare_histories, conversations
from eval.samples.samples import Sample, make_samples
from eval.scores.metric import Answer
from eval.scores.score_table import metrics_of
from hunmin.schema import TaskInfo

MESSAGES = [
    *(user("하나 다음은?"), assistant("둘"), user("그 다음은?"), assistant("셋")),
    *(user("그 다음은?"), assistant("넷")),
]
INFO: TaskInfo = {"metrics": ["exact_match"], "labels": [], "language": "ko"}


def samples_of(*messages: list[Any]) -> list[Sample]:
    rows = [heldout_row(number, task="chat", messages=each) for number, each in enumerate(messages)]
    return make_samples(rows, TASKS)


def asked_after(sample: Sample) -> list[str]:
    return [message["content"] for message in sample.messages]


class Models:
    """Say their name and the number of messages before."""

    def __init__(self, *, longest: int = 99):
        self.rounds = 0
        self._longest = longest

    def render(self, samples: Sequence[Sample]) -> tuple[dict[str, list[int]], dict[str, int]]:
        prompts = {
            one.sample_id: [len(one.messages)] for one in samples if len(one.messages) <= self._longest
        }
        left_out = len(samples) - len(prompts)
        return prompts, {"prompt_too_long": left_out} if left_out else {}

    def ask(self, asking: Any) -> Answers:
        self.rounds += 1
        return {
            system: {name: Answer(f"{system} {ids[0]}", 2, True) for name, ids in prompts.items()}
            for prompts, (system,) in asking
        }


def given(samples: Sequence[Sample]) -> Answers:
    return {
        "base": {one.sample_id: Answer("몰라요", 2, True) for one in samples},
        "tuned": {one.sample_id: Answer(one.reference.texts[0], 2, True) for one in samples},
    }


def test_every_turn_stands_behind_the_models_own_answers() -> None:
    samples = samples_of(MESSAGES)
    models = Models()
    found = ask_on([samples], given(samples), render=models.render, ask=models.ask)
    assert models.rounds == 2
    second, third = found.samples["base"]
    assert second.sample_id == "src:a.json:0.0/1/own"
    assert asked_after(second) == ["하나 다음은?", "몰라요", "그 다음은?"]
    assert asked_after(third) == ["하나 다음은?", "몰라요", "그 다음은?", "base 3", "그 다음은?"]
    assert asked_after(found.samples["tuned"][1])[1::2] == ["둘", "tuned 3"]


def test_a_conversation_ends_where_it_no_longer_fits() -> None:
    samples = samples_of(MESSAGES, MESSAGES[:4])
    models = Models(longest=3)
    found = ask_on([samples[:3], samples[3:]], given(samples), render=models.render, ask=models.ask)
    assert [one.turn for one in found.samples["tuned"]] == [1, 1]
    assert found.skipped == {"prompt_too_long": 2}  # one of either model


def test_both_histories_are_scored_on_the_same_turns() -> None:
    samples = samples_of(MESSAGES)
    models = Models()
    found = ask_on([samples], given(samples), render=models.render, ask=models.ask)
    found.answers["tuned"]["src:a.json:0.0/1/own"] = Answer("셋", 1, True)
    metrics = {"chat": metrics_of("chat", INFO)}
    scores = compare_histories(found, given(samples), metrics, num_resamples=10, seed=0)["chat"]
    assert (scores["n"], scores["conversations"]) == ({"base": 2, "tuned": 2}, {"base": 1, "tuned": 1})
    tuned = scores["metrics"]["exact_match"]["tuned"]
    assert (tuned["given"]["value"], tuned["own"]["value"], tuned["delta"]["value"]) == (1.0, 0.5, -0.5)


def test_conversations_are_whole_and_of_texts() -> None:
    call = {**assistant(""), "tool_calls": [{"id": "a", "name": "weather", "arguments": "{}"}]}
    result = {"role": "tool", "content": "맑음", "train": False}
    calling = [user("날씨는?"), call, result, assistant("맑아요.")]
    untrained = [user("?"), assistant("둘", train=False), user("?"), assistant("셋")]
    samples = samples_of(MESSAGES, MESSAGES[:2], calling, untrained, MESSAGES[:4])
    drawn = conversations(samples, per_task=9, seed=0)
    assert sorted(len(members) for members in drawn) == [2, 3]
    assert conversations(samples, per_task=0, seed=0) == []
