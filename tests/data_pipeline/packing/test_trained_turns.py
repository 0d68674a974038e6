"""Which answers a rendered row trains: each in exactly one, those of one weight together."""

from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.packing.trained_turns import by_weight, ending_with, without_oldest_exchange
from hunmin.rows import Message

WEIGHTS = (None, 0.0, 0.1, 0.5, 1.0, 2.0)
turn = st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.booleans(), st.sampled_from(WEIGHTS))


def conversation(turns: list[tuple[str, bool, float | None]]) -> list[Message]:
    return [
        {"role": role, "content": str(index), "train": train, "weight": weight}
        for index, (role, train, weight) in enumerate(turns)
    ]


def trained(messages: list[Message]) -> list[str]:
    return [message["content"] for message in messages if message.get("train")]


@given(st.lists(turn, min_size=1, max_size=8))
def test_every_trained_answer_stands_in_one_row_of_its_weight(
    turns: list[tuple[str, bool, float | None]],
) -> None:
    found = by_weight(conversation(turns))
    wanted = [
        str(index)
        for index, (role, train, weight) in enumerate(turns)
        if role == "assistant" and train and weight != 0
    ]
    assert sorted(text for messages in found.values() for text in trained(messages)) == sorted(wanted)
    for weight, messages in found.items():
        assert weight > 0
        assert messages[-1].get("train"), "nothing stands behind the last trained answer"
        assert [message["content"] for message in messages] == [str(index) for index in range(len(messages))]
        own = [turns[int(text)][2] for text in trained(messages)]
        assert len({1.0 if one is None else one for one in own}) == 1


def test_weights_are_those_that_a_file_holds() -> None:
    answer: Message = {"role": "assistant", "content": "네", "train": True, "weight": 0.1}
    read_again: Message = {**answer, "weight": 0.10000000149011612}  # 0.1 in fp32
    assert list(by_weight([answer, read_again])) == [0.10000000149011612]
    assert by_weight([{**answer, "weight": 0.0}]) == {}


def test_only_the_turns_named_are_trained() -> None:
    talk = conversation([("user", False, None), ("assistant", True, None)] * 3)
    assert trained(ending_with(talk, (1, 3))) == ["1", "3"]
    assert len(ending_with(talk, (1,))) == 2


def test_an_exchange_is_left_out_with_its_calls() -> None:
    roles = ["system", "user", "assistant", "tool", "assistant", "user", "assistant"]
    talk = conversation([(role, False, None) for role in roles])
    rest = without_oldest_exchange(talk)
    assert rest is not None
    assert [message["content"] for message in rest] == ["0", "5", "6"]
    assert without_oldest_exchange(rest) is None
