import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.augment import draw as module
from data_pipeline.augment.draw import Drawn, draw_variant, num_variants
from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.config import AugmentConfig
from data_pipeline.tasks.tasks import Task, load_tasks
from hunmin.language.answers.final_answer import extract_final_answer
from hunmin.language.variants.rewordings import Rewording

TASKS = {
    "t": Task.model_validate(
        {
            "name": "t",
            "prefix": "[일]",
            "wordings": [
                {"id": "a", "language": "ko", "axis": "expression", "text": "물음에 답하세요."},
                {"id": "b", "language": "ko", "axis": "tone", "text": "알려 줄래?"},
                {"id": "c", "language": "en", "axis": "language", "text": "Answer this."},
                {
                    "id": "d",
                    "language": "ko",
                    "axis": "format",
                    "text": "파이썬이라는 말로 답을 적으세요.",
                    "when": {"language": "en"},
                },
                {"id": "h", "language": "ko", "axis": "tone", "text": "답은?", "heldout": True},
            ],
        }
    )
}
TRUE = {"t/a", "t/b", "t/c"}
TURNS = [
    {"role": "user", "content": "안녕", "train": False},
    {"role": "assistant", "content": "안녕하세요!", "train": True},
    {"role": "user", "content": "시를 써 줘.", "train": False},
    {"role": "assistant", "content": "꽃이 피네", "train": True},
]


def row(number: int = 0, **changes: object) -> Any:
    fields = {
        "instruction": None,
        "input": f"물음 {number}",
        "answer": f"답 {number}",
        "rationale": None,
        "label": None,
        "value": None,
    }
    out: Any = {
        "row_id": f"s:f:{number}.0",
        "weight": 1.0,
        "family_id": f"family{number}",
        "task": "t",
        "language": "ko",
        "split": "train",
        "messages": None,
        "constraints": [],
        "references": [],
        "fields": fields | changes.pop("fields", {}),  # type: ignore[operator]
    }
    out |= changes
    out["references"] = out["references"] or [out["fields"]["answer"]]
    return out


def drawn(
    item: Any,
    *,
    epoch: int = 0,
    repeat: int = 0,
    seed: int = 0,
    pool: ExamplePool | None = None,
    plain: bool = False,
    tasks: dict[str, Task] = TASKS,
    **augment: object,
) -> Drawn:
    config = AugmentConfig.model_validate(augment)
    return draw_variant(
        item,
        tasks=tasks,
        augment=config,
        seed=seed,
        epoch=epoch,
        repeat=repeat,
        examples=pool,
        plain=plain,
    )


def user(result: Drawn) -> str:
    return result.messages[-2]["content"]


@pytest.fixture
def two_rewordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rewordings of every text, one of them of a question."""
    made = [("ko:haeyo", "?"), ("ko:question_nayo", "!")]

    def every(text: str, *, language: str) -> list[Rewording]:
        return [Rewording(f"{text}{mark}", rule) for rule, mark in made]

    def one(text: str, *, language: str, draw: int, without: str | None) -> Rewording:
        allowed = [new for new in every(text, language=language) if not without or without not in new.rule]
        return allowed[draw % len(allowed)]

    monkeypatch.setattr(module, "rewordings", every)
    monkeypatch.setattr(module, "reword", one)


# The request


def test_a_row_without_instruction_gets_a_true_wording_anew_in_each_epoch_and_copy() -> None:
    by_epoch = {drawn(row(), epoch=epoch).wording_id for epoch in range(40)}
    by_repeat = {drawn(row(), repeat=repeat).wording_id for repeat in range(40)}
    assert by_epoch == by_repeat == TRUE
    assert {drawn(row(), epoch=e, repeat=e, wordings=False).wording_id for e in range(40)} < TRUE
    assert len({drawn(row(), epoch=e, repeat=e, wordings=False).wording_id for e in range(40)}) == 1


def test_the_prompt_is_wording_then_input_and_the_answer_is_trained() -> None:
    result = drawn(row(5))
    wording = {"t/a": "물음에 답하세요.", "t/b": "알려 줄래?", "t/c": "Answer this."}[result.wording_id or ""]
    assert result.messages == [
        {"role": "user", "content": f"{wording}\n\n물음 5", "train": False},
        {"role": "assistant", "content": "답 5", "train": True},
    ]
    assert (result.wrapper, result.transforms, result.examples) == (None, [], [])
    assert result.references == ["답 5"]


def test_a_row_of_no_known_task_and_no_instruction_is_its_input() -> None:
    assert drawn(row(task="nowhere")).messages[0]["content"] == "물음 0"


def test_own_instructions_are_reworded_for_their_share(two_rewordings: None) -> None:
    results = [drawn(row(i, fields={"instruction": "지시"}), rewordings=0.4) for i in range(1000)]
    found = Counter(user(result).split("\n")[0] for result in results)
    assert set(found) == {"지시", "지시?", "지시!"}
    assert found["지시"] == pytest.approx(600, abs=50)
    assert {tuple(r.transforms) for r in results} == {
        (),
        ("reworded:ko:haeyo",),
        ("reworded:ko:question_nayo",),
    }
    assert {result.wording_id for result in results} == {None}


def test_an_instruction_without_rewordings_stays() -> None:
    own = row(fields={"instruction": "지시"})
    assert user(drawn(own, rewordings=1.0)) == "지시\n\n물음 0"
    assert drawn(own, rewordings=1.0).transforms == []


def test_of_a_conversation_the_last_request_is_reworded_and_nothing_else(two_rewordings: None) -> None:
    chat = row(messages=TURNS, task="conversation")
    before = json.dumps(chat, ensure_ascii=False)
    result = drawn(chat, rewordings=1.0)
    assert [m["content"] for m in result.messages] == ["안녕", "안녕하세요!", "시를 써 줘.?", "꽃이 피네"]
    assert [m.get("train") for m in result.messages] == [False, True, False, True]
    assert result.transforms == ["reworded:ko:haeyo"]
    assert json.dumps(chat, ensure_ascii=False) == before


def test_a_question_among_people_keeps_its_tone() -> None:
    chat = row(messages=[*TURNS[:2], TURNS[2] | {"content": "오늘 날씨 어때?"}, TURNS[3]])
    assert {user(drawn(chat, epoch=e, rewordings=1.0)) for e in range(20)} == {"오늘 날씨 어때?"}


def test_real_rewordings_reach_the_prompt() -> None:
    own = row(fields={"instruction": "파이썬으로 정렬 함수를 작성하세요."})
    results = [drawn(own, epoch=epoch, rewordings=0.8) for epoch in range(60)]
    first_lines = {user(result).split("\n")[0] for result in results}
    assert "파이썬으로 정렬 함수를 작성하세요." in first_lines
    assert len(first_lines) > 4
    assert all(line.startswith("파이썬으로 정렬 함수를 ") for line in first_lines)
    assert all(
        bool(result.transforms) != (user(result).split("\n")[0] == own["fields"]["instruction"])
        for result in results
    )


# Wrappers


def test_the_prefix_stands_before_the_request_and_is_told() -> None:
    result = drawn(row(), task_prefix=True)
    assert user(result).startswith("[일] ")
    assert result.wrapper == "task_prefix"
    chat = drawn(row(messages=TURNS), task_prefix=True, rewordings=0.0)
    assert [m["content"] for m in chat.messages[::2]] == ["[일] 안녕", "시를 써 줘."]


def test_a_role_is_a_system_message_in_the_language_of_the_wording() -> None:
    for epoch in range(30):
        result = drawn(row(), epoch=epoch, role=1.0, roles=["assistant"])
        assert [m["role"] for m in result.messages] == ["system", "user", "assistant"]
        english = result.wording_id == "t/c"
        assert result.messages[0]["content"].isascii() == english
        assert result.messages[0].get("train") is False
        assert result.wrapper == "role:assistant"


def test_a_row_with_a_system_message_gets_no_role() -> None:
    chat = row(messages=[{"role": "system", "content": "규칙", "train": False}, *TURNS])
    result = drawn(chat, role=1.0, rewordings=0.0)
    assert result.messages == chat["messages"]
    assert result.wrapper is None


def test_steps_come_before_the_answer_where_there_is_a_rationale() -> None:
    item = row(fields={"rationale": "둘에 셋을 더하면 다섯이다."})
    for epoch in range(20):
        result = drawn(item, epoch=epoch, chain_of_thought=True)
        answer = result.messages[-1]["content"]
        marker = "Answer: " if result.wording_id == "t/c" else "정답: "
        assert answer == f"둘에 셋을 더하면 다섯이다.\n\n{marker}답 0"
        assert extract_final_answer(answer) == "답 0"
        assert marker.strip() in user(result)
        assert result.references == ["답 0"]
        assert result.wrapper == "chain_of_thought"
    assert drawn(row(), chain_of_thought=True).messages == drawn(row()).messages
    assert drawn(item).wrapper is None


@pytest.mark.parametrize(
    "fields",
    [
        {"instruction": "예 또는 아니요로만 답하세요.", "rationale": "까닭"},
        {"instruction": "풀어 보세요.", "rationale": "까닭", "answer": "먼저\n정답: 하나\n정답: 둘"},
        {"instruction": "풀어 보세요.", "rationale": None},
    ],
)
def test_no_steps_where_they_would_contradict_the_request_or_hide_the_answer(fields: Any) -> None:
    result = drawn(row(fields=fields), chain_of_thought=True, rewordings=0.0)
    assert result.wrapper is None
    assert user(result) == f"{fields['instruction']}\n\n물음 0"


@pytest.mark.parametrize(
    ("says", "constraints"),
    [({"requires": ["one_sentence"]}, ["one_sentence"]), ({"attested": ["length:short"]}, [])],
)
def test_a_wording_that_speaks_of_the_answer_leaves_no_room_for_steps(
    says: Any, constraints: list[str]
) -> None:
    wording = {"id": "x", "language": "ko", "axis": "format", "text": "물음에 대한 답을 적으세요."} | says
    tasks = {"t": Task.model_validate({"name": "t", "wordings": [wording]})}
    item = row(fields={"rationale": "까닭이다.", "answer": "서울입니다."}, attests=["length:short"])
    result = drawn(item, chain_of_thought=True, tasks=tasks)
    assert result.constraints == constraints
    assert result.wording_id == "t/x"
    assert result.wrapper is None


# Examples


POOL = ExamplePool.from_rows(row(i) for i in range(100, 140))


def test_examples_stand_as_earlier_turns_that_are_not_trained() -> None:
    sizes = Counter()
    for epoch in range(60):
        result = drawn(row(), epoch=epoch, few_shot=1.0, few_shot_k=[1, 3], pool=POOL, role=1.0)
        shots = result.messages[1:-2]
        assert [m["role"] for m in shots] == ["user", "assistant"] * len(result.examples)
        assert not any(m.get("train") for m in shots)
        assert result.messages[-1].get("train")
        wording = user(result).split("\n")[0]
        for place, row_id in enumerate(result.examples):
            number = row_id.split(":")[2].split(".")[0]
            assert shots[2 * place]["content"] == f"{wording}\n\n물음 {number}"
            assert shots[2 * place + 1]["content"] == f"답 {number}"
        assert f"few_shot:{len(result.examples)}" in (result.wrapper or "").split("+")
        sizes[len(result.examples)] += 1
    assert set(sizes) == {1, 2, 3}


def test_the_wording_of_the_row_must_be_true_of_its_examples() -> None:
    wording = {
        "id": "x",
        "language": "ko",
        "axis": "format",
        "text": "한 낱말로.",
        "requires": ["max_words:1"],
    }
    tasks = {"t": Task.model_validate({"name": "t", "wordings": [wording]})}
    members = [row(i, fields={"answer": "낱말" if i % 3 == 0 else "두 낱말"}) for i in range(100, 130)]
    result = drawn(
        row(fields={"answer": "하나"}),
        few_shot=1.0,
        few_shot_k=[4, 4],
        pool=ExamplePool.from_rows(members),
        tasks=tasks,
    )
    assert len(result.examples) == 4
    assert [m["content"] for m in result.messages if m["role"] == "assistant"] == ["낱말"] * 4 + ["하나"]


def test_examples_are_answered_as_the_row_is() -> None:
    task = Task.model_validate(
        {
            "name": "t",
            "labels": ["긍정", "부정"],
            "renderers": {"long": {"language": "ko", "text": "{label}입니다."}},
            "wordings": [
                {
                    "id": "x",
                    "language": "ko",
                    "axis": "format",
                    "text": "문장으로 답하세요.",
                    "answer": "long",
                }
            ],
        }
    )
    members = [row(i, fields={"answer": "부정", "label": "부정"}) for i in range(100, 110)]
    result = drawn(
        row(fields={"answer": "긍정", "label": "긍정"}),
        few_shot=1.0,
        few_shot_k=[1, 1],
        pool=ExamplePool.from_rows(members),
        tasks={"t": task},
    )
    assert [m["content"] for m in result.messages[1::2]] == ["부정입니다.", "긍정입니다."]
    assert result.transforms == ["answer:long"]
    assert result.references == ["긍정입니다."]


def test_examples_show_steps_where_the_row_does() -> None:
    members = [row(i, fields={"rationale": f"까닭 {i}." if i % 2 else None}) for i in range(100, 140)]
    pool = ExamplePool.from_rows(members)
    item = row(fields={"rationale": "까닭 0."})
    result = drawn(item, few_shot=1.0, few_shot_k=[3, 3], pool=pool, chain_of_thought=True)
    assert result.wrapper == "few_shot:3+chain_of_thought"
    assert all(int(row_id.split(":")[2][:3]) % 2 for row_id in result.examples)
    requests = {m["content"].rpartition("\n\n")[0] for m in result.messages if m["role"] == "user"}
    assert len(requests) == 1
    assert all(extract_final_answer(m["content"]) for m in result.messages if m["role"] == "assistant")


def test_rows_of_no_known_task_learn_from_the_same_instruction_only() -> None:
    def own(number: int, text: str) -> Any:
        return row(number, task="instruction", fields={"instruction": text})

    pool = ExamplePool.from_rows([own(1, "뒤집어 쓰세요."), own(2, "번역하세요."), own(3, "뒤집어  쓰세요.")])
    result = drawn(own(9, "뒤집어 쓰세요."), few_shot=1.0, few_shot_k=[3, 3], pool=pool, rewordings=0.0)
    assert sorted(result.examples) == ["s:f:1.0", "s:f:3.0"]
    assert drawn(own(9, "세어 보세요."), few_shot=1.0, pool=pool, rewordings=0.0).examples == []


def test_conversations_and_rows_without_a_pool_get_no_examples() -> None:
    assert drawn(row(messages=TURNS), few_shot=1.0, pool=POOL).examples == []
    assert drawn(row(), few_shot=1.0).wrapper is None


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["train", "val", "heldout"])), min_size=1, max_size=20
    ),
    st.integers(0, 50),
    st.integers(0, 4),
)
def test_no_example_is_of_the_family_or_of_val_or_heldout(
    members: list[tuple[int, str]], epoch: int, family: int
) -> None:
    rows = [row(i, family_id=str(f), split=split) for i, (f, split) in enumerate(members)]
    item = row(999, family_id=str(family))
    settings = {"few_shot": 1.0, "few_shot_k": [1, 4], "epoch": epoch}
    result = drawn(item, pool=ExamplePool.from_rows(rows), **settings)  # type: ignore[arg-type]
    by_id = {member["row_id"]: member for member in rows}
    shown = [by_id[row_id] for row_id in result.examples]
    assert all(member["split"] == "train" for member in shown)
    families = [member["family_id"] for member in shown]
    assert len({*families, str(family)}) == len(families) + 1
    assert result == drawn(item, pool=ExamplePool.from_rows(rows[::-1]), **settings)  # type: ignore[arg-type]


# Plain, and all


def test_validation_and_held_out_rows_are_plain_in_every_epoch(two_rewordings: None) -> None:
    everything = {"role": 1.0, "few_shot": 1.0, "chain_of_thought": True, "rewordings": 1.0}
    item = row(fields={"rationale": "까닭."})
    first = drawn(item)
    for epoch in range(10):
        for materialize in ("epochs", "all"):
            settings = everything | {"materialize": materialize, "epoch": epoch, "repeat": epoch}
            assert drawn(item, pool=POOL, plain=True, **settings) == first  # type: ignore[arg-type]
    own = drawn(row(fields={"instruction": "지시"}), plain=True, pool=POOL, **everything)  # type: ignore[arg-type]
    assert user(own) == "지시\n\n물음 0"
    assert drawn(item, plain=True, task_prefix=True).wrapper == "task_prefix"


def test_all_variants_stand_once_in_every_epoch(two_rewordings: None) -> None:
    config = AugmentConfig.model_validate({"materialize": "all"})
    bank, own, chat = row(), row(1, fields={"instruction": "지시"}), row(2, messages=TURNS)
    for item, expected in ((bank, 3), (own, 3), (chat, 2)):
        num = num_variants(item, tasks=TASKS, augment=config)
        assert num == expected
        for epoch in range(2):
            results = [drawn(item, epoch=epoch, repeat=i, materialize="all") for i in range(2 * num)]
            assert len({user(result) for result in results}) == num
            assert results[:num] == results[num:]
    assert {drawn(bank, repeat=i, materialize="all").wording_id for i in range(3)} == TRUE


def test_a_fixed_corpus_has_equal_epochs_wrappers_included() -> None:
    settings = {"materialize": "all", "role": 0.5, "few_shot": 0.5, "pool": POOL}
    epochs = [
        [drawn(row(i), epoch=epoch, repeat=repeat, **settings) for i in range(10) for repeat in range(3)]  # type: ignore[arg-type]
        for epoch in range(2)
    ]
    assert epochs[0] == epochs[1]
    assert len({result.wrapper for result in epochs[0]}) > 4


def test_what_is_switched_off_is_no_variant(two_rewordings: None) -> None:
    off = AugmentConfig.model_validate({"materialize": "all", "wordings": False, "rewordings": 0.0})
    items = (row(), row(1, fields={"instruction": "지시"}), row(2, messages=TURNS), row(3, task="nowhere"))
    assert [num_variants(item, tasks=TASKS, augment=off) for item in items] == [1, 1, 1, 1]
    assert drawn(row(), materialize="all", wordings=False) == drawn(row(), wordings=False)


# Determinism

EVERYTHING = {"role": 0.5, "few_shot": 0.5, "chain_of_thought": True, "task_prefix": True, "rewordings": 0.7}
_SCRIPT = """
import json, sys
sys.path.insert(0, "tests/data_pipeline/augment")
from test_draw import everything_drawn
print(json.dumps(everything_drawn(), ensure_ascii=False))
"""


def everything_drawn() -> list[object]:
    items = [
        *(row(i, fields={"rationale": "까닭." if i % 2 else None}) for i in range(6)),
        row(6, fields={"instruction": "시를 써 줘."}),
        row(7, messages=TURNS),
    ]
    results = [
        drawn(item, epoch=epoch, repeat=repeat, pool=POOL, **EVERYTHING)  # type: ignore[arg-type]
        for item in items
        for epoch in range(3)
        for repeat in range(2)
    ]
    return [vars(result) for result in results]


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    env = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "utf-8"}
    out = subprocess.run([sys.executable, "-c", _SCRIPT], env=env, capture_output=True, check=True, text=True)
    assert json.loads(out.stdout) == everything_drawn()


def test_a_wrapper_switched_on_leaves_the_other_choices() -> None:
    for epoch in range(30):
        one = drawn(row(), epoch=epoch, role=0.5)
        both = drawn(row(), epoch=epoch, role=0.5, few_shot=0.5, pool=POOL)
        assert one.wording_id == both.wording_id
        assert one.messages[-1] == both.messages[-1]
        assert (one.messages[0]["role"] == "system") == (both.messages[0]["role"] == "system")


def test_another_seed_draws_otherwise() -> None:
    def ids(seed: int) -> list[str | None]:
        return [drawn(row(i), seed=seed).wording_id for i in range(50)]

    assert ids(0) != ids(1)
    assert ids(0) == ids(0)


def test_shipped_banks_draw_for_a_row_of_each_task() -> None:
    for name, task in load_tasks(None).items():
        for language in task.languages:
            item = row(task=name, language=language)
            result = drawn(item, tasks={name: task}, role=1.0)
            assert result.wording_id is not None, (name, language)
            assert result.messages[-1]["role"] == "assistant"


def test_turns_of_tools_and_thoughts_stay_as_they_are() -> None:
    call = {"role": "assistant", "content": "", "train": True, "tool_calls": [{"id": "a", "name": "f"}]}
    output = {"role": "tool", "content": "12도", "train": False, "tool_call_id": "a"}
    last = {"role": "assistant", "content": "12도입니다.", "train": True, "reasoning": "12", "weight": 0.5}
    messages = [
        *TURNS[:2],
        {"role": "user", "content": "온도를 알려 주세요.", "train": False},
        call,
        output,
        last,
    ]
    result = drawn(row(messages=messages, fields={"input": None}), rewordings=1.0, role=1.0)
    assert result.messages[0]["role"] == "system"
    assert result.messages[1:3] == messages[:2]
    assert result.messages[4:] == messages[3:]


def test_a_weight_is_on_the_trained_answer_alone() -> None:
    assert drawn(row(weight=0.5)).messages[-1].get("weight") == 0.5
    assert "weight" not in drawn(row()).messages[-1]
    with_examples = drawn(
        row(weight=0.5), few_shot=1.0, pool=ExamplePool.from_rows(row(i) for i in range(1, 7))
    )
    assert [turn.get("weight") for turn in with_examples.messages if turn["role"] == "assistant"][-1] == 0.5
    assert not any("weight" in turn for turn in with_examples.messages[:-1])


def test_rows_with_tools_are_no_examples() -> None:
    assert ExamplePool.from_rows([row(1, tools="[]x")]).by_kind == {}
