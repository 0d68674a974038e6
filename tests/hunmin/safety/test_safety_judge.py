"""Rows: each field, the pair of request and answer, the action, and what the lines say."""

import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.reasons import REASONS
from hunmin.errors import InputError
from hunmin.safety.config import SafetyConfig
from hunmin.safety.detector import AnyOf, Hit
from hunmin.safety.judge import apply_safety, find_harm, load_detector
from hunmin.safety.refusals import is_refusal

DETECTOR = load_detector(SafetyConfig.model_validate({}), Path())
ASKED = "폭탄 만드는 방법을 알려 줘"
DECLINED = "죄송하지만 그 요청은 도와드릴 수 없습니다. 위험한 물건이라 알려 드리지 않습니다."
SWEARING = "아 씨발 진짜"


def row(**fields: str | None) -> Any:
    names = ("instruction", "input", "answer", "rationale", "label", "value")
    references = [fields["answer"]] if fields.get("answer") else []
    return {"fields": dict.fromkeys(names) | fields, "messages": None, "references": references}


def chat(*contents: str, system: str | None = None) -> Any:
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    first = [{"role": "system", "content": system}] if system else []
    return row() | {"messages": first + turns, "references": []}


def config(**settings: Any) -> SafetyConfig:
    return SafetyConfig.model_validate(settings)


def outcome(draft: Any, source_action: Any = None, **settings: Any) -> tuple[list[str], Any]:
    judged = apply_safety(draft, config(**settings), source_action, detector=DETECTOR)
    return judged.flags, judged.refusal


def test_a_text_that_stands_twice_in_a_row_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr("hunmin.safety.personal_data.find", lambda text, **how: searched.append(text) or [])
    draft = row(instruction="하나", input="둘", answer="하나") | {"references": ["하나", "셋"]}
    apply_safety(draft, config(), None, detector=DETECTOR)
    assert searched == ["하나", "둘", "셋"]


def test_a_clean_row_comes_back_as_it_is() -> None:
    draft = row(
        instruction="한 문장으로 요약해 줘.", input="오늘은 3월 5일이다.", answer="오늘은 3월 5일이다."
    )
    judged = apply_safety(draft, config(), None, detector=DETECTOR)
    assert (judged.draft, judged.flags, judged.transforms, judged.refusal) == (draft, [], [], None)
    assert judged.draft is draft


@pytest.mark.parametrize("field", ["instruction", "input", "answer", "rationale"])
def test_the_detail_names_field_category_and_word(field: str) -> None:
    texts = {"instruction": "써 줘.", "input": "안녕", "answer": "안녕", "rationale": "안녕"} | {
        field: SWEARING
    }
    _, refusal = outcome(row(**texts))
    assert refusal == ("harmful_content", f"{field}: profanity (씨발)")


def test_a_harmful_request_that_is_declined_is_kept_and_marked() -> None:
    assert outcome(row(instruction=ASKED, answer=DECLINED)) == (["harmful_request_refused"], None)
    assert outcome(chat("안녕", "안녕하세요", ASKED, DECLINED)) == (["harmful_request_refused"], None)


def test_a_call_is_no_answer_yet() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "name": "f", "arguments": "{}"}]}
    result = {"role": "tool", "content": "없음"}
    asked, declined = chat(ASKED, DECLINED)["messages"]
    draft = row() | {"messages": [asked, call, result, declined], "references": []}
    assert outcome(draft) == (["harmful_request_refused"], None)
    told = {"role": "assistant", "content": "재료를 섞으세요."}
    _, refusal = outcome(row() | {"messages": [asked, call, result, told], "references": []})
    assert refusal[0] == "harmful_content"


def test_declining_may_name_what_was_asked_but_nothing_else() -> None:
    named = "폭탄 만드는 방법은 알려 드릴 수 없습니다."
    assert outcome(row(instruction=ASKED, answer=named)) == (["harmful_request_refused"], None)
    _, refusal = outcome(row(instruction=ASKED, answer=DECLINED + " 이 병신아"))
    assert refusal == ("harmful_content", "answer: profanity (병신)")


@pytest.mark.parametrize(
    "answer",
    ["먼저 재료를 준비하세요.", "죄송하지만 방법은 다음과 같습니다.", DECLINED + "\n1. 산다\n2. 섞는다"],
)
def test_a_harmful_request_that_is_answered_is_dropped(answer: str) -> None:
    _, refusal = outcome(row(instruction=ASKED, answer=answer))
    assert refusal == ("harmful_content", "instruction: crime (폭탄 ~ 만드는 법)")
    _, refusal = outcome(chat(ASKED, answer))
    assert refusal == ("harmful_content", "messages[0]: crime (폭탄 ~ 만드는 법)")


def test_each_turn_is_judged_with_its_own_answer() -> None:
    _, refusal = outcome(chat(ASKED, DECLINED, ASKED, "먼저 재료를 준비하세요."))
    assert refusal[1].startswith("messages[2]: ")
    _, refusal = outcome(chat("안녕", "안녕하세요", system="너는 씨발 봇이다"))
    assert refusal[1].startswith("messages[0]: ")
    _, refusal = outcome(chat("안녕", "안녕하세요", SWEARING))  # never answered
    assert refusal[1].startswith("messages[2]: ")


def test_a_harmful_answer_is_dropped_whatever_was_asked() -> None:
    assert outcome(row(instruction="인사해 줘.", answer="나가 죽어라"))[1][0] == "harmful_content"


def test_other_references_are_judged_too() -> None:
    draft = row(instruction="번역해 줘.", answer="좋아") | {"references": ["좋아", SWEARING]}
    assert outcome(draft)[1] == ("harmful_content", "answer: profanity (씨발)")


def test_material_to_classify_goes_by_the_action_of_its_source() -> None:
    draft = row(input=SWEARING, answer="악성", label="악성")
    assert outcome(draft) == (["harmful:profanity"], None)
    assert outcome(draft, "drop")[1] == ("harmful_content", "input: profanity (씨발)")
    assert outcome(draft, "keep") == ([], None)
    assert outcome(draft, "flag") == (["harmful:profanity"], None)
    assert outcome(draft, action="flag") == (["harmful:profanity"], None)
    assert outcome(draft, "drop", action="keep")[1] is not None


def test_a_rude_text_that_is_summed_up_is_judged_by_the_answer() -> None:
    def judged(answer: str, given: str = SWEARING, *, works_on_text: bool) -> tuple[list[str], Any]:
        found = apply_safety(
            row(instruction="요약해 줘.", input=given, answer=answer),
            config(),
            None,
            detector=DETECTOR,
            works_on_text=works_on_text,
        )
        return found.flags, found.refusal

    assert judged("화가 난 사람의 글이다.", works_on_text=True) == (["harmful:profanity"], None)
    assert judged("화가 난 사람의 글이다.", works_on_text=False)[1] is not None
    assert judged(SWEARING, works_on_text=True)[1] is not None  # the answer is rude too
    asked = row(instruction=ASKED, input="아래 재료로", answer="먼저 섞습니다.")
    assert apply_safety(asked, config(), None, detector=DETECTOR, works_on_text=True).refusal is not None


def test_bias_has_an_action_of_its_own() -> None:
    draft = row(instruction="써 줘.", answer="여자들은 원래 그래")
    assert outcome(draft) == (["bias:gender"], None)
    assert outcome(draft, bias="drop")[1] == ("biased_content", "answer: bias:gender (여자들은 원래)")
    assert outcome(draft, bias="keep") == ([], None)
    assert outcome(draft, "keep", bias="drop") == ([], None)


def test_one_swear_word_in_a_long_text_is_a_quote() -> None:
    long = "주인공은 길을 걸었다. " * 50
    assert outcome(row(instruction="요약해 줘.", input=long + SWEARING, answer="걸었다."))[1] is None
    assert outcome(row(instruction="요약해 줘.", input=long + "짱깨", answer="걸었다."))[1] is not None


def test_at_most_three_finds_are_named() -> None:
    _, refusal = outcome(row(instruction="써 줘.", answer="씨발 병신 지랄 좆 shit"))
    assert refusal[1].endswith("and 2 more")


def test_personal_data_is_masked_everywhere() -> None:
    text = "연락처는 010-1234-5678 입니다"
    masked = "연락처는 [전화번호] 입니다"
    judged = apply_safety(
        row(input=text, answer=text, rationale=text, value=text), config(), None, detector=DETECTOR
    )
    assert judged.transforms == ["masked:phone"]
    assert {judged.draft["fields"][name] for name in ("input", "answer", "rationale", "value")} == {masked}
    assert judged.draft["references"] == [masked]
    judged = apply_safety(chat(text, text), config(), None, detector=DETECTOR)
    assert [m["content"] for m in judged.draft["messages"] or []] == [masked, masked]
    assert [m["role"] for m in judged.draft["messages"] or []] == ["user", "assistant"]


def test_what_is_asked_for_and_the_answer_get_the_same_mask() -> None:
    draft = row(instruction="메일 주소를 찾아 줘.", input="제 주소는 a@b.kr 입니다", answer="a@b.kr")
    out = apply_safety(draft, config(), None, detector=DETECTOR).draft
    assert out["fields"]["answer"] == out["references"][0] == "[이메일]"
    draft = row(input="연락은 a@b.kr 로 주세요", answer="Please write to a@b.kr for more")
    out = apply_safety(draft, config(), None, detector=DETECTOR).draft
    assert out["fields"]["answer"] == "Please write to [EMAIL] for more"


def test_personal_data_can_be_dropped_or_kept_and_is_never_in_the_detail() -> None:
    draft = row(input="연락처는 010-1234-5678", answer="메일은 a@b.kr")
    _, refusal = outcome(draft, personal_data={"action": "drop"})
    assert refusal == ("personal_data", "input: phone, answer: email")
    judged = apply_safety(draft, config(personal_data={"action": "keep"}), None, detector=DETECTOR)
    assert (judged.draft, judged.transforms) == (draft, [])
    only = apply_safety(draft, config(personal_data={"kinds": ["email"]}), None, detector=DETECTOR)
    assert only.transforms == ["masked:email"]


def test_the_reasons_are_in_the_table() -> None:
    assert {"harmful_content", "biased_content", "personal_data"} <= REASONS.keys()


def test_a_detector_goes_to_a_worker() -> None:
    again = pickle.loads(pickle.dumps(DETECTOR))
    assert again.find(SWEARING) == DETECTOR.find(SWEARING) != []


def test_detectors_are_put_together() -> None:
    class Never:
        def find(self, text: str) -> list[Hit]:
            return []

    assert AnyOf(Never(), DETECTOR).find(SWEARING) == DETECTOR.find(SWEARING)
    findings = find_harm(row(input=SWEARING), detector=AnyOf(Never()))
    assert findings == ((), (), False)


def test_a_threshold_needs_a_classifier() -> None:
    with pytest.raises(ValueError, match="classifier"):
        config(threshold=0.5)


def test_no_text_takes_long() -> None:
    start = time.process_time()
    for piece in ("씨", "1 ", "a", "f*", "010-", "서울시 ", "ㅅ", "!", "a@", "죄송 ", "f u c k "):
        apply_safety(row(answer=piece * 50_000), config(), None, detector=DETECTOR)
        is_refusal(piece * 50_000)
    assert time.process_time() - start < 20


def test_a_classifier_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make harm-model"):
        load_detector(config(classifier="absent"), tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        DECLINED,
        "그 방법은 알려 드릴 수 없습니다.",
        "미안하지만 그건 답변하기 어려워요.",
        "남을 비하하는 글은 써 드릴 수 없습니다.",
        "많이 힘드셨겠어요. 자살 예방 상담 전화 109에 연락해 주세요.",
        "I'm sorry, but I can't help with that.",
        "I cannot provide instructions for this.",
        "I’m not able to do that.",
        "You are not alone. Please reach out to a crisis line:\n1. Call\n2. Talk",
    ],
)
def test_refusals(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "네, 알려 드릴게요.",
        "비가 와서 갈 수 없어요.",
        "Sure! I can help you with that.",
        "I'm sorry, but here's how you do it.",
        "I do not like it.",
        "가" * 500 + DECLINED,
        "",
    ],
)
def test_no_refusals(answer: str) -> None:
    assert not is_refusal(answer)
