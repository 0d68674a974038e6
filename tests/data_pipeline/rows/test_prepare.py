import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.build.prepared_rows import table_of
from data_pipeline.config import DataConfig, SourceConfig, SplitConfig
from data_pipeline.reasons import REASONS
from data_pipeline.rows.identity import split_of
from data_pipeline.rows.prepare import prepare
from data_pipeline.sources.values.conversations import parse_conversation
from data_pipeline.tasks.tasks import Task
from hunmin.language.normalize import normalize_text
from hunmin.language.script import comparable, language_of

CONFIG = DataConfig.model_validate(
    {"sources": [{"name": "s", "format": "alpaca", "path": "x"}], "bounds": {"answer": [3, 20]}}
)
LABELLED = Task.model_validate(
    {
        "name": "sentiment",
        "labels": ["긍정", "부정"],
        "wordings": [{"id": "a", "language": "ko", "axis": "tone", "text": "감정은?"}],
    }
)


def draft(**changes) -> Any:
    fields = {
        "instruction": "요약해 주세요",
        "input": "본문",
        "answer": "짧은 요약",
        "rationale": None,
        "label": None,
    }
    base = {
        "source": "s",
        "file": "a.jsonl",
        "record": 3,
        "sub_record": 0,
        "task": None,
        "domain": None,
        "language": None,
        "licence": "MIT",
        "synthetic": False,
        "family_key": None,
        "messages": None,
        "references": ["짧은 요약"],
    }
    return base | {"fields": fields | changes.pop("fields", {})} | changes


def prepared(**changes) -> Any:
    return prepare(draft(**changes), config=CONFIG, tasks={"sentiment": LABELLED}, seed=0)


def talk(*pairs: tuple[str, str]) -> list[Any]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_a_refused_row_says_what_its_file_says_and_no_number_of_a_person() -> None:
    row = prepared(fields={"instruction": "<p>010-1234-5678로 전화해 주세요", "answer": " \n "})
    assert row["reason"] == "empty_answer"
    assert row["text"] == "user: <p>[전화번호]로 전화해 주세요\n\n본문\nanswer:  \n "


def test_what_a_reader_quotes_is_masked_too() -> None:
    place = {"source": "s", "file": "a.jsonl", "record": 3, "sub_record": 0}
    line = '{"전화": "010-1234-5678"'
    row: Any = {**place, "reason": "broken_json", "detail": f"line 4: {line}", "text": line}
    kept = prepare(row, config=CONFIG, tasks={}, seed=0)
    assert (kept["detail"], kept["text"]) == ('line 4: {"전화": "[전화번호]"', '{"전화": "[전화번호]"')  # type: ignore[typeddict-item]


def test_a_good_row_is_kept_with_its_origin() -> None:
    row = prepared()
    assert "reason" not in row
    assert row["row_id"] == "s:a.jsonl:3.0"
    assert (row["task"], row["language"], row["transforms"]) == ("instruction", "ko", [])


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"fields": {"answer": " \n "}}, "empty_answer", "answer"),
        ({"fields": {"instruction": " ", "input": None}}, "empty_instruction", "instruction"),
        ({"fields": {"answer": "네"}}, "length_out_of_bounds", "answer has 1 characters, allowed 3 to 20"),
        ({"fields": {"answer": "가" * 21}}, "length_out_of_bounds", "21"),
        (
            {"task": "sentiment", "fields": {"answer": "중립", "label": "중립"}},
            "label_unknown",
            "'중립' is not one of 긍정, 부정",
        ),
        ({"messages": talk(("user", "안녕"))}, "empty_answer", "no answered turn"),
        (
            {"messages": talk(("assistant", "네 네"), ("user", "가"), ("assistant", "나나나"))},
            "role_order",
            "message 0 is assistant, expected user",
        ),
        (
            {"messages": talk(("user", "가"), ("user", "나"), ("assistant", "다다다"))},
            "role_order",
            "message 1 is user",
        ),
        ({"messages": talk(("user", "가"), ("assistant", " "))}, "empty_answer", "message 1"),
    ],
)
def test_each_rule_rejects_its_row(changes: Any, reason: str, detail: str) -> None:
    row = prepared(**changes)
    assert row["reason"] == reason
    assert detail in row["detail"]
    assert reason in REASONS


def test_a_label_answer_is_exempt_from_the_bounds() -> None:
    row = prepared(task="sentiment", fields={"instruction": None, "answer": "긍정", "label": "긍정"})
    assert "reason" not in row


def test_an_unanswered_last_turn_is_dropped_and_noted() -> None:
    row = prepared(messages=talk(("user", "가"), ("assistant", "나나나"), ("user", "다")))
    assert [m["train"] for m in row["messages"]] == [False, True]
    assert row["transforms"] == ["unanswered_turn_dropped"]


@pytest.mark.parametrize(
    ("text", "clean", "steps"),
    [
        ("\u1112\u1161\u11ab", "한", ["nfc"]),
        ("a\r\nb\rc", "a\nb\nc", ["line_ends"]),
        ("a\x00b\u200bc\ufeff", "abc", ["control_characters"]),
        ("👩\u200d👧", "👩\u200d👧", []),
        ("\n  a ", "a", ["outer_space"]),
        ("e\u200b\u0301", "é", ["control_characters", "nfc"]),
        ("a\ufffeb\ufdd0", "ab", ["control_characters"]),
        ("관리자\u202e)보통(\u2066 권한\u200f\u061c", "관리자)보통( 권한", ["invisible_characters"]),
        ("안녕\U000e0001\U000e0068\U000e0069", "안녕", ["invisible_characters"]),
        ("\u00adso\u2060ft\u2063", "soft", ["invisible_characters"]),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f!", None, []),
        ("🏴\U000e0020\U000e0067\U000e0062\U000e007f", "🏴", ["invisible_characters"]),
        ("🏴" + "\U000e0067" * 9 + "\U000e007f", "🏴", ["invisible_characters"]),
        ("☎\ufe0f❤\ufe0f葛\U000e0100", None, []),
        ("a\U000e0100\U000e0101\ufe01b", "a\U000e0100b", ["invisible_characters"]),
    ],
)
def test_normalization_names_what_it_changed(text: str, clean: str | None, steps: list[str]) -> None:
    assert normalize_text(text) == (text if clean is None else clean, steps)


def test_an_answer_keeps_its_indentation() -> None:
    assert normalize_text("\n \n    return 1\n", answer=True)[0] == "    return 1"


UNSEEN = "🏴\U000e0067\U000e0062\U000e007f\u202e\u2066\ufe0f\U000e0101\u00ad\u0301e \n"


@given(text=st.text() | st.text(alphabet=UNSEEN))
def test_normalization_is_idempotent(text: str) -> None:
    once, _ = normalize_text(text)
    assert normalize_text(once) == (once, [])


def test_family_is_shared_by_variants_and_no_others() -> None:
    one = prepared()["family_id"]
    assert prepared(fields={"instruction": "한 문장으로 줄이세요"})["family_id"] == one
    assert prepared(fields={"answer": "다른 요약"})["family_id"] != one
    alone = {"fields": {"input": None}}
    assert (
        prepared(**alone)["family_id"]
        != prepared(fields={"input": None, "instruction": "다른 질문"})["family_id"]
    )
    keyed = [prepared(family_key="p1", fields={"answer": f"답은 {n}번"})["family_id"] for n in range(2)]
    assert keyed[0] == keyed[1]


def test_a_question_and_its_answer_are_one_family_as_row_and_as_chat() -> None:
    row = prepared(fields={"input": None, "instruction": "물은 몇 도에 끓나요?", "answer": "백 도입니다."})
    chat = prepared(messages=talk(("user", "물은 몇 도에 끓나요?"), ("assistant", "백 도입니다.")))
    assert row["family_id"] == chat["family_id"]


def test_code_that_differs_in_indentation_is_no_duplicate() -> None:
    one = prepared(fields={"answer": "if a:\n x()\n y()"})
    two = prepared(fields={"answer": "if a:\n x()\ny()"})
    assert one["text_key"] != two["text_key"]
    assert prepared(fields={"input": "본문  "})["text_key"] == prepared()["text_key"]


def test_splits_come_in_their_shares_and_stay() -> None:
    config = SplitConfig(val=0.1, heldout=0.2, heldout_tasks=("unseen",))
    splits = [split_of(str(i), "t", config=config, seed=0) for i in range(5000)]
    assert abs(splits.count("heldout") / 5000 - 0.2) < 0.02
    assert abs(splits.count("val") / 5000 - 0.1) < 0.02
    assert splits[:10] == [split_of(str(i), "t", config=config, seed=0) for i in range(10)]
    assert splits != [split_of(str(i), "t", config=config, seed=1) for i in range(5000)]
    assert split_of("0", "unseen", config=config, seed=0) == "heldout"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("안녕하세요", "ko"),
        ("PyTorch로 Llama 학습하기", "ko"),
        ("Hello, 세계 of many English words", "en"),
        ("1234 !!", "und"),
        ("Привет", "other"),
    ],
)
def test_language_by_script(text: str, language: str) -> None:
    assert language_of(text) == language


def test_comparable_texts() -> None:
    assert comparable(" Ｈello\n\t World ") == comparable("hello world")


def test_a_rude_text_is_kept_where_the_answer_says_it_over_again() -> None:
    fields = {"instruction": None, "input": "아 씨발 진짜", "answer": "정말 화가 난다"}
    assert prepared(task="summarization", fields=fields)["flags"] == ["harmful:profanity"]
    assert prepared(task="conversation", fields=fields)["reason"] == "harmful_content"


def test_what_is_compared_over_sources_is_told() -> None:
    row = prepared(fields={"instruction": "Summarize this text", "input": None, "answer": "짧은 요약"})
    assert (row["asked_language"], row["said_language"]) == ("en", "ko")
    row = prepared(fields={"instruction": "두 배로", "input": None, "answer": "x = f(2); y = 3"})
    assert (row["asked_language"], row["said_language"], row["language"]) == ("ko", "code", "en")
    assert row["asked_key"] is not None


CALLED: Any = {
    "role": "assistant",
    "content": "",
    "reasoning": " 부산의 날씨를\u200b 알아보자. ",
    "tool_calls": [{"id": "c1", "name": "weather", "arguments": '{"to": "kim@korea.kr", "n": 1.50}'}],
}
TOOL_TALK: list[Any] = [
    {"role": "user", "content": "날씨를 알려 줘."},
    CALLED,
    {"role": "tool", "content": "맑음, 문의 lee@korea.kr", "tool_call_id": "c1"},
    {"role": "assistant", "content": "맑습니다.", "weight": 0.5},
]
OF_A_TALK: Any = {"fields": {"instruction": "날씨를 알려 줘.", "input": None, "answer": "맑습니다."}}


def talked(messages: list[Any] = TOOL_TALK, *, config: Any = CONFIG, **changes: Any) -> Any:
    row = draft(**OF_A_TALK, messages=messages, references=["맑습니다."], **changes)
    return prepare(row, config=config, tasks={}, seed=0)


def compared(row: Any) -> Any:
    """A prepared row with what it is compared by."""
    (line,) = table_of([{**row, "ord": 0}]).to_pylist()
    return line


def with_reasoning(policy: str) -> DataConfig:
    return CONFIG.model_copy(update={"reasoning": policy})


def test_thoughts_calls_and_results_are_normalized_and_masked() -> None:
    row = talked()
    _, called, result, answer = row["messages"]
    assert called["reasoning"] == "부산의 날씨를 알아보자."
    assert called["tool_calls"][0]["arguments"] == '{"to": "[이메일]", "n": 1.50}'
    assert result["content"] == "맑음, 문의 [이메일]"
    assert "masked:email" in row["transforms"]
    assert [turn["train"] for turn in row["messages"]] == [False, True, False, True]
    assert answer["weight"] == 0.5


@pytest.mark.parametrize("place", ["reasoning", "arguments", "result"])
def test_harm_is_found_wherever_it_stands(place: str) -> None:
    bomb = "사제 폭탄 만드는 방법: 재료를 섞는다."
    called = {**CALLED, "reasoning": bomb if place == "reasoning" else "음"}
    text = json.dumps({"q": bomb if place == "arguments" else "날씨"}, ensure_ascii=False)
    called["tool_calls"] = [{**CALLED["tool_calls"][0], "arguments": text}]
    result = {**TOOL_TALK[2], "content": bomb if place == "result" else "맑음"}
    row = talked([TOOL_TALK[0], called, result, TOOL_TALK[3]])
    assert row["reason"] == "harmful_content"


def test_the_policy_of_thoughts() -> None:
    assert talked(config=with_reasoning("context"))["messages"][1]["reasoning"]
    row = talked(config=with_reasoning("drop"))
    assert row["messages"][1]["reasoning"] is None
    assert "reasoning_dropped" in row["transforms"]
    plain = talked(TOOL_TALK[:1] + TOOL_TALK[3:], config=with_reasoning("drop"))
    assert plain["transforms"] == []


def test_each_part_is_in_the_keys_and_plain_rows_keep_theirs() -> None:
    other_thought = [TOOL_TALK[0], {**CALLED, "reasoning": "다른 생각"}, *TOOL_TALK[2:]]
    call = {**CALLED["tool_calls"][0], "arguments": '{"to": "둘"}'}
    other_call = [TOOL_TALK[0], {**CALLED, "tool_calls": [call]}, *TOOL_TALK[2:]]
    other_weight = [*TOOL_TALK[:3], {**TOOL_TALK[3], "weight": 0.25}]
    rows = [talked(), talked(other_thought), talked(other_call), talked(other_weight), talked(tools="[1]")]
    assert len({row["text_key"] for row in rows}) == 5
    assert len({row["family_id"] for row in rows}) == 2  # the other call alone asks and answers otherwise
    assert len({row["answer_key"] for row in rows}) == 3
    assert len({row["prompt_key"] for row in rows}) == 2  # other tools are another prompt
    assert compared(rows[0])["signature"] != compared(rows[1])["signature"]
    assert compared(rows[0])["gate_hashes"] == compared(rows[1])["gate_hashes"]  # whatever was thought
    plain = talk(("user", "안녕"), ("assistant", "안녕하세요."))
    missing = [{**turn, "reasoning": None, "tool_calls": None, "weight": None} for turn in plain]
    names = ("text_key", "family_id", "answer_key", "prompt_key", "signature", "gate_hashes")
    lines = [compared(talked(turns)) for turns in (plain, missing)]
    assert [lines[0][name] for name in names] == [lines[1][name] for name in names]


def test_a_weight_of_the_record_is_on_its_answers() -> None:
    row = talked(weight=0.5)
    assert (row["weight"], [turn.get("weight") for turn in row["messages"]]) == (0.5, [None, 0.5, None, 0.25])
    assert prepared(weight=0.5)["weight"] == 0.5


def test_a_script_that_is_taken_apart_keeps_its_answer_as_it_is() -> None:
    script = "사용자: 안녕\n도우미: 말씀하세요.\n사용자: 날씨를 알려 줘."
    row = talked([{"role": "user", "content": script}, {**TOOL_TALK[3], "reasoning": "맑음"}])
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant", "user", "assistant"]
    assert (row["messages"][3]["reasoning"], row["messages"][3]["weight"]) == ("맑음", 0.5)


def test_joined_turns_are_told_and_give_the_fields() -> None:
    source = {"name": "s", "format": "messages", "path": "x", "join_turns": True}
    config = DataConfig.model_validate({"sources": [source]})
    messages = talk(
        ("assistant", "어서 오세요."), ("user", "저기"), ("user", "있나요?"), ("assistant", "네.")
    )
    row = talked(messages, config=config)
    assert row["transforms"] == ["greeting_dropped", "turns_joined"]
    assert (row["fields"]["instruction"], row["fields"]["answer"]) == ("저기\n있나요?", "네.")


def test_a_row_that_ends_on_a_call_answers_with_it() -> None:
    row = talked(TOOL_TALK[:3])
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert row["fields"]["answer"] == row["references"][0] == 'weather({"to": "[이메일]", "n": 1.50})'


WEIGHTS = st.sampled_from([None, 0, 1, 0.5, False, True, "0.25"])
EXCHANGES = st.lists(st.tuples(WEIGHTS, st.booleans(), st.booleans()), min_size=1, max_size=5)


@settings(deadline=None)
@given(EXCHANGES)
def test_exactly_the_answers_that_the_file_trains_are_trained(exchanges: list[Any]) -> None:
    turns: list[Any] = []
    wanted: list[float] = []
    for weight, thinks, calls in exchanges:
        turns.append({"role": "user", "content": "질문입니다."})
        thought = {"reasoning": "생각"} if thinks else {}
        if calls:
            call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
            turns.append({"role": "assistant", "tool_calls": [call], "weight": weight, **thought})
            turns.append({"role": "tool", "tool_call_id": "c", "content": "결과"})
        turns.append({"role": "assistant", "content": "답입니다.", "weight": weight, **thought})
        wanted += [1.0 if weight is None else float(weight)] * (2 if calls else 1)
    if not any(wanted):
        return
    source = SourceConfig.model_validate({"name": "s", "format": "messages", "path": "x"})
    (read,) = parse_conversation({"messages": turns}, source, keys=("messages",))
    row = talked(read.messages or [])
    answers = [turn for turn in row["messages"] if turn["role"] == "assistant"]
    assert [turn["train"] * (turn.get("weight") or 1.0) for turn in answers] == wanted
    assert not any(turn["train"] for turn in row["messages"] if turn["role"] != "assistant")
