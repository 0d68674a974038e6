"""The shipped banks: sound texts, every axis, each wording true of some answer, none telling the label."""

import re
import unicodedata
from collections import Counter
from typing import Any

import pytest

from data_pipeline.tasks.tasks import Task, load_tasks
from data_pipeline.tasks.wordings import true_choices

TASKS = load_tasks(None)
AXES = {"expression", "tone", "complexity", "language", "domain", "format"}
EIGHT = {
    *("translation", "summarization", "sentiment", "code_generation"),
    *("question_answering", "nli", "safe_response", "conversation"),
}
MISSION_TASKS = ("translation", "summarization", "sentiment", "code_generation")

# What comes of replacing 이 by 다음 and 다음 by 이 wherever they stand, and 해주세요 by itself with a mark.
DAMAGE = re.compile(
    r"파다음썬|다음해|다음것|이이|다음 다음|하다음|높다음|아다음|다음상|많다음|다음용|다음미|다음유|다음야기"
    r"|[.!?~]{2,}|주세요[가-힣]|주세요 주세요|\b다음다음|([가-힣]{2,}) \1\b"
)
_HANGUL = re.compile("[가-힣]")


def texts(task: Task) -> list[str]:
    answers = [text for renderer in task.renderers.values() for text in renderer.answers.values()]
    return [wording.text for wording in task.wordings] + answers


def test_eight_tasks_are_shipped() -> None:
    assert set(TASKS) == EIGHT


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_a_bank_has_every_axis_both_languages_and_held_out_wordings(name: str) -> None:
    bank = TASKS[name].wordings
    assert len(bank) >= (35 if name in MISSION_TASKS else 20)
    assert {wording.axis for wording in bank} == AXES
    assert {wording.axis for wording in bank if not wording.heldout} == AXES
    assert {wording.kind for wording in bank} == {"neutral", "checked", "attested"}
    for language in ("ko", "en"):
        assert sum(wording.language == language for wording in bank) >= 10
        assert sum(wording.language == language and wording.heldout for wording in bank) >= 2


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_texts_are_sound(name: str) -> None:
    found = texts(TASKS[name])
    for text in found:
        assert text == unicodedata.normalize("NFC", text)
        assert text == text.strip()
        assert not re.search(r"[ \t]{2,}|\s+[.,?!:]|\s\n|\n\s", text), text
        assert not re.search(r"[\u0000-\u0009\u000b-\u001f\u200b\ufeff\u3000]", text), text
    assert not Counter(
        unicodedata.normalize("NFKC", w.text).casefold() for w in TASKS[name].wordings
    ) - Counter({unicodedata.normalize("NFKC", w.text).casefold() for w in TASKS[name].wordings})


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_wordings_end_as_their_form_does(name: str) -> None:
    """A sentence by its mark, a headword by a colon; only keys and values need neither."""
    for wording in TASKS[name].wordings:
        listed = "\n" in wording.text and ":" in wording.text
        assert listed or wording.text[-1] in ".?!:", wording.text


def test_no_text_of_ours_bears_the_marks_of_blind_replacement() -> None:
    for task in TASKS.values():
        for text in texts(task):
            assert not DAMAGE.search(text), text


@pytest.mark.parametrize(
    "damaged",
    [
        "파다음썬으로 함수를 작성해 주세요.",
        "다음해하기 쉽게 써 주세요.",
        "다음 다음 글을 요약해 주세요.",
        "요약해 주세요..",
        "번역해주세요!!",
        "번역해 주세요주세요.",
    ],
)
def test_the_marks_of_blind_replacement_are_known(damaged: str) -> None:
    assert DAMAGE.search(damaged)


def test_blind_replacement_would_do_damage_that_the_test_sees() -> None:
    """The bank holds words in which 이 is no word of its own, so a blind replacement cannot hide."""
    replaced = [wording.text.replace("이", "다음") for task in TASKS.values() for wording in task.wordings]
    assert sum(bool(DAMAGE.search(text)) for text in replaced) > 30


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_korean_wordings_are_korean_and_english_ones_english(name: str) -> None:
    for wording in TASKS[name].wordings:
        if wording.language == "ko":
            assert _HANGUL.search(wording.text), wording.text
        else:
            assert not _HANGUL.search(re.sub("긍정|부정", "", wording.text)), wording.text


# The kinds of variation that were asked for: task, kind, what its wordings require or have attested or state.
KINDS = [
    ("translation", "formal", "speech_level:formal"),
    ("translation", "polite", "speech_level:polite"),
    ("translation", "friendly", "tone:friendly"),
    ("translation", "business", "tone:business"),
    ("translation", "technical", "domain:technical"),
    ("translation", "literary", "domain:literature"),
    ("translation", "medical", "domain:medical"),
    ("translation", "accurate and natural", "quality:natural"),
    ("translation", "clear", "quality:clear"),
    ("translation", "readable", "quality:readable"),
    ("translation", "direction named", "input_language:en"),
    ("translation", "other direction named", "input_language:ko"),
    ("summarization", "one sentence", "one_sentence"),
    ("summarization", "three sentences", "sentences:3"),
    ("summarization", "short", "max_chars:30"),
    ("summarization", "detailed", "min_sentences:5"),
    ("summarization", "objective", "viewpoint:objective"),
    ("summarization", "reader", "viewpoint:reader"),
    ("summarization", "expert", "viewpoint:expert"),
    ("summarization", "bullets", "num_bullets:3"),
    ("summarization", "questions and answers", "question_answer"),
    ("summarization", "keywords", "keywords"),
    ("summarization", "pupils", "audience:children"),
    ("summarization", "business", "purpose:business"),
    ("summarization", "academic", "purpose:academic"),
    ("sentiment", "three labels", "label_set:긍정,부정,중립"),
    ("sentiment", "five points", "scale:1-5"),
    ("sentiment", "ten points", "scale:1-10"),
    ("sentiment", "three emotions", "label_set:기쁨,슬픔,분노"),
    ("sentiment", "five emotions", "label_set:기쁨,슬픔,분노,놀람,두려움"),
    ("sentiment", "in detail", "min_sentences:2"),
    ("sentiment", "intent", "context:author"),
    ("sentiment", "situation", "context:situation"),
    ("code_generation", "loops, no recursion", "no_recursion"),
    ("code_generation", "memoization", "uses_memoization"),
    ("code_generation", "generator", "uses_generator"),
    ("code_generation", "efficient", "performance:efficient"),
    ("code_generation", "fast", "performance:fast"),
    ("code_generation", "memory", "performance:memory"),
    ("code_generation", "comments", "has_comments"),
    ("code_generation", "docstring", "has_docstring"),
    ("code_generation", "usage example", "has_usage_example"),
]


@pytest.mark.parametrize(("name", "kind", "mark"), KINDS, ids=[f"{name}-{kind}" for name, kind, _ in KINDS])
def test_every_kind_of_variation_has_a_korean_wording_to_train_on(name: str, kind: str, mark: str) -> None:
    marks = [
        {*wording.requires, *wording.attested, f"input_language:{wording.when.input_language}"}
        for wording in TASKS[name].wordings
        if wording.language == "ko" and not wording.heldout
    ]
    assert any(mark in found for found in marks)


@pytest.mark.parametrize("name", sorted(EIGHT))
@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_language_axis_has_wordings_in_both_languages(name: str, language: str) -> None:
    bank = [one for one in TASKS[name].wordings if one.axis == "language" and not one.heldout]
    assert any(wording.language == language for wording in bank)


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_wordings_that_claim_nothing_left_out_or_added_are_attested(name: str) -> None:
    for wording in TASKS[name].wordings:
        if re.search("nothing (left out|added)|빠뜨리거나|덧붙이", wording.text):
            assert "quality:accurate" in wording.attested, wording.text


SHORT = re.compile(r"짧|간단|간략|간결|몇 마디|\b(?:short|brief|concise|few words)", re.IGNORECASE)
CLOSING = re.compile(
    r"(?:\S+ )?(?:답|대답|답변|요약|번역|결과|관계|감정"
    r"|answer|reply|response|summary|translation|result|code|label):",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_wordings_that_ask_for_a_short_answer_check_its_length(name: str) -> None:
    for wording in TASKS[name].wordings:
        if SHORT.search(wording.text):
            lengths = ("max_chars:", "max_words:")
            assert any(one.startswith(lengths) for one in wording.requires), wording.text


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_no_wording_is_the_headword_of_its_answer(name: str) -> None:
    """The text to work on follows it: under "Answer:" that would be the answer."""
    for wording in TASKS[name].wordings:
        assert not CLOSING.fullmatch(wording.text), wording.text


def test_a_body_is_asked_for_as_a_body() -> None:
    head = 'def twice(x):\n    """Twice x."""\n'
    asked = row("    return 2 * x", head, language="en")
    told = {choice.instruction for choice in true_choices(TASKS["code_generation"], asked)}
    assert "아래 함수를 완성해 주세요." in told
    assert not any("동작하는" in text or "working" in text for text in told)
    whole = row("def twice(x):\n    return 2 * x", head, language="en")
    told = {choice.instruction for choice in true_choices(TASKS["code_generation"], whole)}
    assert "아래 설명대로 동작하는 코드를 만들어 주세요." in told
    assert "아래 함수를 완성해 주세요." not in told


def row(answer: str, given: str = "본문", *, label: str | None = None, **settings: Any) -> Any:
    fields = {"instruction": None, "input": given, "answer": answer, "label": label, "value": None}
    value = settings.pop("value", None)
    defaults = {"row_id": "s:f:0.0", "language": "ko", "messages": None, "references": [answer]}
    return defaults | settings | {"fields": fields | {"value": value}}


def labelled(label: str, *, labels: str = "", language: str = "ko", **settings: Any) -> Any:
    extra = [f"labels:{labels}"] if labels else []
    return row(
        label, label=label, language=language, attests=[*settings.pop("attests", []), *extra], **settings
    )


def attested(name: str) -> list[str]:
    return sorted({text for wording in TASKS[name].wordings for text in wording.attested})


KO_LONG = "도서관이 새로 문을 연다. 책은 3만 권이다. 자리는 200개다. 주말에도 연다. 입장료는 없다."
EN_LONG = "A library opens. It has 200 seats. It is open at weekends. Entry is free. It closes at 6."
CODE = [
    'from functools import cache\n\n\n@cache\ndef fib(n: int) -> int:\n    """The nth number."""\n'
    "    return n if n < 2 else fib(n - 1) + fib(n - 2)  # by definition\n\n\nprint(fib(10))",
    "def evens(xs):\n    for x in xs:\n        if x % 2 == 0:\n            yield x",
    "class Box:\n    def open(self):\n        try:\n            return [x for x in range(3)]\n"
    "        except OSError:\n            pass",
]

# Answers that between them make every wording of a bank true.
GALLERY: dict[str, list[Any]] = {
    "translation": [
        row("The shop opens at 9 in the morning.", "가게는 아침 9시에 엽니다.", language="en"),
        row("It's open.", "열려 있다.", language="en"),
        row("가게는 9시에 엽니다.", "The shop opens at 9."),
        row("가게는 열려 있어요.", "The shop is open."),
        row("가게가 열렸다.", "The shop has opened."),
        row("``None``을 돌려준다.", "It returns ``None``."),
    ],
    "summarization": [
        row("도서관이 문을 연다.", KO_LONG),
        row("도서관 개관", KO_LONG),
        row("도서관, 개관, 주말", KO_LONG),
        row("도서관이 엽니다. 자리가 많습니다. 무료입니다.", KO_LONG),
        row("도서관이 열어요. 무료예요.", KO_LONG),
        row(KO_LONG + " 누구나 온다.", KO_LONG * 3),
        row("- 새 도서관\n- 200석\n- 무료", KO_LONG),
        row("1. 새 도서관\n2. 무료", KO_LONG),
        row("질문: 무엇이 여나요?\n답: 도서관입니다.", KO_LONG),
        row("A library opens.", EN_LONG, language="en"),
        row("A new library can be used by everyone.", EN_LONG, language="en"),
    ],
    "sentiment": [
        labelled("긍정", value="8", attests=["scale:1-10"], labels="긍정/부정"),
        labelled("부정", value="2", attests=["scale:1-5"], labels="긍정/부정/중립"),
        labelled("기쁨", labels="기쁨/슬픔/분노"),
        labelled("슬픔", labels="기쁨/슬픔/분노/놀람/두려움"),
        labelled("positive", given="I like it.", language="en", labels="positive/negative"),
        labelled("positive", given="I like it.", language="en", labels="positive/negative/neutral"),
        labelled("joy", given="I like it.", language="en", labels="joy/sadness/anger"),
        labelled("fear", given="I like it.", language="en", labels="joy/sadness/anger/surprise/fear"),
        row("긍정적인 글입니다. 칭찬하는 말이 많습니다."),
    ],
    "code_generation": [
        row("    return 2 * x", 'def twice(x):\n    """Twice x."""\n', language="en"),
        *(row(code, "Write it.", language="en") for code in CODE),
        row(CODE[0], "피보나치 수를 구해 주세요.", language="en"),
    ],
    "question_answering": [
        labelled("예"),
        labelled("yes", language="en"),
        row("도서관", "물음에 맞는 것은?\n1. 도서관\n2. 가게"),
        row("도서관", "새 도서관 자리는 어디인가요?"),
        row("도서관은 아침 9시에 문을 엽니다."),
        row("주말에도 열어요. 무료예요. 누구나 와요."),
        row("도서관은 새로 생긴 곳이다."),
        row("It opens at nine in the morning.", language="en"),
        row("- 책\n- 자리"),
        row("1. 책\n2. 자리"),
    ],
    "nli": [
        labelled("함의"),
        labelled("contradiction", language="en"),
    ],
    "safe_response": [
        row("죄송하지만 알려 드릴 수 없습니다. 위험할 수 있습니다."),
        row("힘들 때는 전문가에게 도움을 청하세요."),
        row("이 문제는 의견이 갈립니다."),
        row("I'm sorry, but I can't help with that. It is not safe.", language="en"),
    ],
    "conversation": [
        row("안녕하세요!"),
        row("그렇습니다. 반갑습니다. 저는 여기서 오래 기다리고 있었습니다."),
        row("왜 그렇게 생각하세요?"),
    ],
}


@pytest.mark.parametrize("name", sorted(EIGHT))
def test_every_wording_is_true_of_some_answer(name: str) -> None:
    task = TASKS[name]
    rows = [one | {"attests": [*one.get("attests", []), *attested(name)]} for one in GALLERY[name]]
    found = {
        choice.wording_id
        for one in rows
        for choice in [*true_choices(task, one), *true_choices(task, one, heldout=True)]
    }
    assert sorted({f"{name}/{wording.id}" for wording in task.wordings} - found) == []


@pytest.mark.parametrize(
    ("name", "labels", "language"),
    [
        ("sentiment", ("긍정", "부정"), "ko"),
        ("sentiment", ("positive", "negative"), "en"),
        ("nli", ("함의", "중립", "모순"), "ko"),
        ("nli", ("entailment", "neutral", "contradiction"), "en"),
        ("question_answering", ("예", "아니요"), "ko"),
        ("question_answering", ("yes", "no"), "en"),
    ],
)
def test_no_wording_gives_the_label_away(name: str, labels: tuple[str, ...], language: str) -> None:
    """What is true of one label is true of the others: else its presence alone would tell the answer."""
    given_text = "본문에 예와 아니요, 긍정과 부정이 있다."
    sets = []
    for label in labels:
        asked = labelled(label, given=given_text, language=language, labels="/".join(labels))
        choices = [*true_choices(TASKS[name], asked), *true_choices(TASKS[name], asked, heldout=True)]
        sets.append({choice.wording_id for choice in choices})
    assert all(found == sets[0] for found in sets)
    assert len(sets[0]) >= 8


def test_wordings_of_two_labels_are_not_for_sources_of_three() -> None:
    for labels, language in (("긍정/부정/중립", "ko"), ("positive/negative/neutral", "en")):
        named = labels.split("/")
        asked = labelled(named[0], labels=labels, language=language, attests=attested("sentiment"))
        choices = [
            *true_choices(TASKS["sentiment"], asked),
            *true_choices(TASKS["sentiment"], asked, heldout=True),
        ]
        for choice in choices:
            told = [label in choice.instruction for label in named]
            assert all(told) or not any(told[:2]), choice.instruction


def test_every_score_of_ten_is_asked_for_alike() -> None:
    """Of the wordings on the scale of ten; on that of five only even ratings of ten have a place."""
    found = []
    for value in map(str, range(1, 11)):
        asked = labelled("긍정", value=value, attests=["scale:1-10"])
        choices = true_choices(TASKS["sentiment"], asked)
        found.append({c.wording_id for c in choices if not any("_5" in step for step in c.transforms)})
    assert all(one == found[0] for one in found)
