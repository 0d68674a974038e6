"""Each token of a row is traced to the part that it stands in, literal rows written out by hand."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from data_pipeline.tasks.tasks import Task
from hunmin.language.variants.wrapper_words import STEPS
from hunmin.models.renderer import Renderer
from launcher.inspect.origin import Origin, origin_of
from launcher.inspect.rebuild import Rebuilt

TASKS = {"qa": Task(name="qa", prefix="[질의응답]")}
STEP = STEPS["ko"][0]


def fields(**given: str) -> Any:
    names = ("instruction", "input", "answer", "rationale", "label", "value")
    return {"task": "qa", "messages": None, "fields": {name: given.get(name) for name in names}}


def turns(*texts: str, system: str | None = None) -> list[Any]:
    chat = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return [*([{"role": "system", "content": system}] if system else []), *chat]


@pytest.fixture(scope="module")
def renderer(scratch_tokenizer: PreTrainedTokenizerFast) -> Renderer:
    return Renderer(scratch_tokenizer)


def origins(
    renderer: Renderer, row: Any, messages: list[Any], examples: tuple[str, ...] = (), num_behind: int = 0
) -> list[Origin]:
    pieces = renderer.pieces_with_offsets(messages)
    ids = [token for piece in pieces for token in piece.input_ids]
    rebuilt = Rebuilt({}, (), row, messages, list(examples), ids, ids, pieces, num_behind)
    build: Any = SimpleNamespace(tasks=TASKS, renderer=renderer)
    return [origin_of(build, rebuilt, token) for token in range(len(ids))]


def parts(found: list[Origin]) -> list[tuple[str, str]]:
    """Part and text of runs of tokens, the template's left out, each part's tokens joined."""
    runs: list[tuple[str, str]] = []
    last = None
    for origin in found:
        if origin.part != "template":
            text = origin.text[origin.start : origin.end]
            if last is not None and (last.part, last.message) == (origin.part, origin.message):
                # Tokens of one split character have the same span.
                again = (last.start, last.end) == (origin.start, origin.end)
                runs[-1] = (origin.part, runs[-1][1] + ("" if again else text))
            else:
                runs.append((origin.part, text))
        last = origin
    return runs


def test_a_row_of_fields(renderer: Renderer) -> None:
    row = fields(instruction="물음에 답해 줘.", input="2+2는 뷁?", answer="4", rationale="둘씩 더한다.")
    plain = turns("물음에 답해 줘.\n\n2+2는 뷁?", "4")
    assert parts(origins(renderer, row, plain)) == [
        ("instruction", "물음에 답해 줘."),
        ("joint", "\n\n"),
        ("input", "2+2는 뷁?"),
        ("answer", "4"),
    ]


def test_everything_that_can_stand_around_it(renderer: Renderer) -> None:
    row = fields(instruction="물음에 답해 줘.", input="2+2는?", answer="4", rationale="둘씩 더한다.")
    request = f"[질의응답] 물음에 답해 줘.\n{STEP}\n\n2+2는?"
    messages = turns(
        "[질의응답] 물음에 답해 줘.\n\n1+1은?",
        "정답: 2",
        request,
        "둘씩 더한다.\n\n정답: 4",
        system="너는 선생님이야.",
    )
    found = origins(renderer, row, messages, examples=("a:x:1.0",))
    assert parts(found) == [
        ("role", "너는 선생님이야."),
        ("example", "[질의응답] 물음에 답해 줘.\n\n1+1은?"),
        ("example", "정답: 2"),
        ("prefix", "[질의응답]"),
        ("joint", " "),
        ("instruction", "물음에 답해 줘."),
        ("joint", "\n"),
        ("steps", STEP),
        ("joint", "\n\n"),
        ("input", "2+2는?"),
        ("rationale", "둘씩 더한다."),
        ("joint", "\n\n정답: "),
        ("answer", "4"),
    ]
    assert {origin.example for origin in found if origin.part == "example"} == {"a:x:1.0"}


def test_a_wording_a_rewording_and_an_answer_in_other_words(renderer: Renderer) -> None:
    bank = fields(input="2+2는?", answer="4")
    assert parts(origins(renderer, bank, turns("답만 적어 줘.\n\n2+2는?", "넷")))[0] == (
        "wording",
        "답만 적어 줘.",
    )
    assert parts(origins(renderer, bank, turns("답만 적어 줘.\n\n2+2는?", "넷")))[-1] == ("answer", "넷")
    own = fields(instruction="답을 말해 줘.", answer="4")
    assert parts(origins(renderer, own, turns("답을 말해 주세요.", "4"))) == [
        ("rewording", "답을 말해 주세요."),
        ("answer", "4"),
    ]


def test_an_input_that_was_cut_keeps_its_own_places(renderer: Renderer) -> None:
    row = fields(instruction="요약해 줘.", input="하나 둘 셋 넷 다섯", answer="수")
    found = origins(renderer, row, turns("요약해 줘.\n\n하나 둘 셋", "수"))
    assert ("input", "하나 둘 셋") in parts(found)
    assert {origin.text for origin in found if origin.part == "input"} == {"하나 둘 셋 넷 다섯"}


def test_a_conversation_whose_oldest_turns_are_left_out(renderer: Renderer) -> None:
    own = turns("하나?", "둘.", "셋?", "넷.")
    row = {"task": "qa", "messages": own, "fields": {}}
    messages = turns("[질의응답] 셋?", "넷.", system="너는 조수야.")
    found = origins(renderer, row, messages)
    assert parts(found) == [
        ("role", "너는 조수야."),
        ("prefix", "[질의응답]"),
        ("joint", " "),
        ("message", "셋?"),
        ("message", "넷."),
    ]
    assert parts(origins(renderer, row, turns("하나?", "둘.", "세 번째는요?", "넷.")))[2][0] == "rewording"


def test_a_conversation_that_ends_before_its_last_turns(renderer: Renderer) -> None:
    row = {"task": "qa", "messages": turns("하나?", "둘.", "셋?", "넷.", "다섯?", "여섯."), "fields": {}}
    found = origins(renderer, row, turns("[질의응답] 셋?", "넷."), num_behind=2)
    assert parts(found) == [("prefix", "[질의응답]"), ("joint", " "), ("message", "셋?"), ("message", "넷.")]


def test_the_template_names_the_message_that_it_stands_before(renderer: Renderer) -> None:
    found = origins(renderer, fields(instruction="가", answer="나"), turns("가", "나"))
    scaffold = [(one.message, one.role) for one in found if one.part == "template"]
    assert scaffold[0] == (0, "user")
    assert scaffold[-1] == (2, None)
    assert (1, "assistant") in scaffold
    assert found[-1].around[0].endswith("<|im_end|>")


# A thought and a call between marks.
MARKS = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}{%- if m.reasoning_content %}"
    "{{- '<think>' + m.reasoning_content + '</think>' }}{%- endif %}{{- m.content }}"
    "{%- for call in m.tool_calls or [] %}{{- '<call>' + call.function.name + "
    "(call.function.arguments | tojson) + '</call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def test_thoughts_and_calls_are_parts_of_their_own(scratch_tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer = copy.deepcopy(scratch_tokenizer)
    tokenizer.chat_template = MARKS
    calls = [{"id": "call00001", "name": "f", "arguments": '{"a": 1}'}]
    messages: list[Any] = [
        {"role": "user", "content": "안녕?"},
        {"role": "assistant", "content": "", "reasoning": "먼저", "tool_calls": calls},
        {"role": "tool", "content": "맑음", "tool_call_id": "call00001", "name": "f"},
        {"role": "assistant", "content": "맑아요.", "reasoning": "이제"},
    ]
    row = {"task": "qa", "messages": messages, "fields": {}}
    found = [one for one in origins(Renderer(tokenizer), row, messages) if one.part in ("thought", "call")]
    said = [(one.part, one.message, one.text) for one in found]
    assert list(dict.fromkeys(said)) == [
        ("thought", 1, "<think>먼저"),
        ("call", 1, '<call>f{"a": 1}</call>'),
        ("thought", 3, "<think>이제"),
    ]
    calls_text = "".join(one.text[one.start : one.end] for one in found if one.part == "call")
    assert calls_text == '<call>f{"a": 1}</call>'
