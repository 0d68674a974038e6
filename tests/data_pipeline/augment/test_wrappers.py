import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.augment.chance import Chance
from data_pipeline.augment.few_shot import MAX_EXAMPLES, ExamplePool, pool_rank
from data_pipeline.augment.personas import fits
from data_pipeline.augment.wrappers import (
    STEPS,
    Steps,
    draw_role,
    draw_steps,
    with_prefix,
    wrapper_language,
    write_question,
)
from data_pipeline.config import ROLE_NAMES, AugmentConfig
from data_pipeline.tasks.tasks import Task
from hunmin.language.script import language_of
from hunmin.language.variants.wrapper_words import ROLES, wants_bare_answer

TASK = Task.model_validate({"name": "t", "prefix": "[일]"})


def row(number: int = 0, **changes: object) -> Any:
    fields = {
        "instruction": None,
        "input": f"본문 {number}",
        "answer": "답",
        "rationale": None,
        "label": None,
    }
    return {
        "row_id": f"s:f:{number}.0",
        "family_id": f"family{number}",
        "task": "t",
        "language": "ko",
        "split": "train",
        "messages": None,
        "fields": fields | changes.pop("fields", {}),  # type: ignore[operator]
    } | changes


def chance(row_id: str = "r", epoch: int = 0) -> Chance:
    return Chance(0, row_id, epoch, 0)


# Roles


def roles_of(rows: list[Any], task: Task = TASK, **augment: object) -> list[str | None]:
    config = AugmentConfig.model_validate({"role": 1.0} | augment)
    drawn = [draw_role(r, task, augment=config, language="ko", chance=chance(r["row_id"])) for r in rows]
    return [role.name if role else None for role in drawn]


def test_every_role_has_several_phrasings_in_korean_and_english() -> None:
    assert tuple(ROLES) == ROLE_NAMES
    for role in ROLES.values():
        assert set(role) == {"ko", "en"}
        for language, texts in role.items():
            assert len(set(texts)) >= 4
            assert {language_of(text) for text in texts} == {language}


def test_no_role_promises_anything_about_the_answer() -> None:
    promise = (
        r"짧|길게|자세|친절|정중|쉽게|정확|문장|항상|detail|brief|concise|short|polite|simple|always|friendly"
    )
    for role in ROLES.values():
        for text in (*role["ko"], *role["en"]):
            assert not re.search(promise, text), text


def test_roles_are_drawn_evenly_and_only_for_their_share() -> None:
    drawn = roles_of([row(i) for i in range(2000)], role=0.25)
    named = [name for name in drawn if name]
    assert len(named) == pytest.approx(500, abs=60)
    assert set(named) == set(ROLE_NAMES)
    assert min(map(named.count, ROLE_NAMES)) > 80


def test_a_creative_role_never_stands_above_a_label() -> None:
    labelled = [row(i, fields={"label": "긍정"}) for i in range(200)]
    assert set(roles_of(labelled)) == {"expert", "teacher", "assistant"}
    closed = TASK.model_copy(update={"labels": ("긍정", "부정")})
    assert "creative" not in roles_of([row(i) for i in range(200)], closed)
    assert set(roles_of(labelled, roles=["creative"])) == {None}


def test_only_an_assistant_stands_above_a_conversation_and_nothing_beside_a_system_message() -> None:
    turns = [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "응"}]
    chats = [row(i, messages=turns) for i in range(100)]
    assert set(roles_of(chats)) == {"assistant"}
    assert set(roles_of([row(i, task="conversation") for i in range(100)])) == {"assistant"}
    system = [{"role": "system", "content": "규칙"}, *turns]
    assert set(roles_of([row(i, messages=system) for i in range(100)])) == {None}


def test_a_text_of_the_users_own_is_the_role() -> None:
    config = AugmentConfig.model_validate({"role": 1, "roles": ["teacher", "당신은 도서관 사서입니다."]})
    drawn = {draw_role(row(i), TASK, augment=config, language="en", chance=chance(str(i))) for i in range(99)}
    assert ("own_2", "당신은 도서관 사서입니다.") in drawn
    assert {role.text for role in drawn if role and role.name == "teacher"} == set(ROLES["teacher"]["en"])


def test_a_misspelt_role_is_no_text() -> None:
    with pytest.raises(ValueError, match="'techer' is no role"):
        AugmentConfig.model_validate({"roles": ["techer"]})
    with pytest.raises(ValueError, match="few_shot_k"):
        AugmentConfig.model_validate({"few_shot_k": [3, 1]})


def test_fits_is_about_labels_and_chats_only() -> None:
    assert all(fits(role, labelled=False, chat=False) for role in ROLE_NAMES)
    assert fits("너는 시인이야.", labelled=True, chat=True)


@pytest.mark.parametrize(
    ("task", "instruction"),
    [
        ("translation", None),
        ("summarization", None),
        ("keyword_extraction", None),
        ("question_answering", None),
        ("instruction", "다음 글에서 인물의 이름을 모두 추출해 주세요."),
        ("instruction", "Translate the sentence into Korean."),
    ],
)
def test_a_creative_role_never_stands_above_what_is_found_in_a_text(
    task: str, instruction: str | None
) -> None:
    rows = [row(i, fields={"instruction": instruction}) for i in range(200)]
    assert "creative" not in roles_of(rows, TASK.model_copy(update={"name": task}))


def test_a_creative_role_stands_above_a_request_to_create() -> None:
    rows = [row(i, fields={"instruction": "봄에 관한 시를 써 주세요."}) for i in range(200)]
    assert "creative" in roles_of(rows, TASK.model_copy(update={"name": "instruction"}))


# Prompt, prefix, steps


def test_what_is_absent_leaves_no_gap() -> None:
    steps = Steps("ko", "차근차근 풀어 줘.")
    assert write_question("지시", "본문", None) == "지시\n\n본문"
    assert write_question("지시", None, steps) == "지시\n차근차근 풀어 줘."
    assert write_question(None, "본문", None) == "본문"
    assert write_question(None, "본문", steps) == "차근차근 풀어 줘.\n\n본문"


def test_the_prefix_stands_first_where_it_is_on() -> None:
    on, off = (AugmentConfig.model_validate({"task_prefix": value}) for value in (True, False))
    assert with_prefix("지시", TASK, augment=on) == "[일] 지시"
    assert with_prefix(None, TASK, augment=on) == "[일]"
    assert with_prefix("지시", TASK, augment=off) == "지시"
    assert with_prefix("지시", Task(name="none"), augment=on) == "지시"


def test_wrappers_speak_the_language_of_the_instruction() -> None:
    assert wrapper_language("Translate into Korean.", row=row()) == "en"
    assert wrapper_language("번역해 줘", row=row(language="en")) == "ko"
    assert wrapper_language(None, row=row(language="ko")) == "ko"
    assert wrapper_language("翻訳してください", row=row(language="other")) == "en"


def test_each_request_for_steps_names_the_marker_that_is_extracted() -> None:
    for language, marker in (("ko", "정답:"), ("en", "Answer:")):
        assert all(marker in text and language_of(text) == language for text in STEPS[language])
        drawn = {draw_steps(language=language, chance=chance(str(i))).request for i in range(200)}
        assert drawn == set(STEPS[language])


@pytest.mark.parametrize(
    "instruction",
    ["긍정 또는 부정으로만 답하세요.", "한 단어로 답해 줘", "설명 없이 답을 적어라", "Answer with one word.",
     "Reply only yes or no.", "Do not explain. What is 2 + 2?"],
)  # fmt: skip
def test_an_instruction_that_wants_the_bare_answer_is_recognised(instruction: str) -> None:
    assert wants_bare_answer(instruction)


@pytest.mark.parametrize(
    "instruction", [None, "다음 문제를 푸세요.", "Solve the problem.", "답을 알려 주세요."]
)
def test_other_instructions_have_room_for_steps(instruction: str | None) -> None:
    assert not wants_bare_answer(instruction)


# Examples


def test_the_pool_holds_train_rows_only_whatever_their_order() -> None:
    rows = [row(i, split=split) for i, split in enumerate(["train", "val", "heldout"] * 60)]
    rows.append(row(999, messages=[{"role": "user", "content": "안녕"}]))
    pool = ExamplePool.from_rows(rows)
    assert pool == ExamplePool.from_rows(rows[::-1])
    (members,) = pool.by_kind.values()
    assert len(members) == 60
    assert {member["split"] for member in members} == {"train"}


def test_the_pool_of_a_task_is_bounded_by_rank() -> None:
    rows = [row(i) for i in range(300)]
    (members,) = ExamplePool.from_rows(rows).by_kind.values()
    lowest = sorted(pool_rank(r["row_id"]) for r in rows)[:MAX_EXAMPLES]
    assert sorted(pool_rank(member["row_id"]) for member in members) == lowest


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["train", "val", "heldout"])), max_size=30),
    st.integers(0, 5),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_examples_are_of_other_families_and_of_train(
    members: list[tuple[int, str]], family: int, k: int, epoch: int
) -> None:
    rows = [row(i, family_id=str(f), split=split) for i, (f, split) in enumerate(members)]
    asked = row(1000, family_id=str(family))
    chosen = ExamplePool.from_rows(rows).choose(asked, k, seed=0, epoch=epoch, repeat=0)
    families = [other["family_id"] for other in chosen]
    others = {str(f) for f, split in members if split == "train"} - {str(family)}
    assert len(families) == len(set(families)) == min(k, len(others))
    assert str(family) not in families
    assert all(other["split"] == "train" for other in chosen)


def test_examples_are_of_the_same_task_language_and_shape() -> None:
    same = row(1)
    others = [
        row(2, task="other"),
        row(3, language="en"),
        row(4, fields={"label": "긍정"}),
        row(5, fields={"instruction": "지시"}),
        row(6, fields={"input": None}),
    ]
    chosen = ExamplePool.from_rows([same, *others]).choose(row(9), 5, seed=0, epoch=0, repeat=0)
    assert chosen == [same]


def test_other_places_choose_other_examples_and_the_same_place_the_same() -> None:
    pool = ExamplePool.from_rows(row(i) for i in range(40))

    def ids(seed: int = 0, epoch: int = 0, repeat: int = 0) -> list[str]:
        chosen = pool.choose(row(99), 3, seed=seed, epoch=epoch, repeat=repeat)
        return [other["row_id"] for other in chosen]

    assert ids() == ids()
    assert len({tuple(ids(**{name: 1})) for name in ("seed", "epoch", "repeat")} | {tuple(ids())}) == 4


@pytest.mark.parametrize("k", [2, 3, 4])
def test_examples_of_a_label_task_show_several_labels(k: int) -> None:
    labels = ["긍정"] * 20 + ["부정", "중립"]
    pool = ExamplePool.from_rows(
        row(i, fields={"label": label, "answer": label}) for i, label in enumerate(labels)
    )
    asked = row(99, fields={"label": "긍정", "answer": "긍정"})
    for epoch in range(30):
        chosen = pool.choose(asked, k, seed=0, epoch=epoch, repeat=0)
        shown = [other["fields"]["label"] for other in chosen]
        assert len(shown) == k
        assert len(set(shown)) == min(k, 3)
        assert chosen == pool.choose(asked, k, seed=0, epoch=epoch, repeat=0)


@pytest.mark.parametrize(
    ("instruction", "other"), [("물음에 답하십시오.", "세요"), ("물음에 답해 주세요.", "십시오")]
)
def test_steps_are_asked_for_at_the_level_of_the_request(instruction: str, other: str) -> None:
    drawn = {draw_steps(instruction, language="ko", chance=chance(str(i))).request for i in range(60)}
    assert len(drawn) > 2
    assert not any(other in request for request in drawn)
