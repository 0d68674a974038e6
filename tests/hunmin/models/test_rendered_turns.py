"""Templates with the quirks of models: what they move, split, drop and rewrite comes out right."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import byte_level

from hunmin.models.chat_templates import BUILT_IN, TemplateError
from hunmin.models.renderer import PromptMismatch, RenderedIds, Renderer, RowRefused
from hunmin.rows import Message

ASKS = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
# Splits a thought off the content, writes it (or an empty one) in the last answer alone, as Qwen3's does.
THINKS_LAST = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}{%- if m.role == 'assistant' %}"
    "{%- set c = m.content %}{%- set r = m.reasoning_content or '' %}{%- if '</think>' in c %}"
    "{%- set r = c.split('</think>')[0].split('<think>')[-1].strip('\\n') %}"
    "{%- set c = c.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
    "{%- if loop.last %}{{- '<think>\\n' + r + '\\n</think>\\n\\n' }}{%- endif %}{{- c }}"
    "{%- else %}{{- m.content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endfor %}" + ASKS
)
# [INST], no prompt of its own, the system text in the last question, tools as JSON: as Mistral's does.
INST = (
    "{{- '<s>' }}{%- set ns = namespace(system='', last=0) %}{%- for m in messages %}"
    "{%- if m.role == 'system' %}{%- set ns.system = m.content + '\\n\\n' %}{%- endif %}"
    "{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    "{%- for m in messages %}{%- if m.role == 'user' %}"
    "{%- if tools and loop.index0 == ns.last %}"
    "{{- '[AVAILABLE_TOOLS]' + tools | tojson + '[/AVAILABLE_TOOLS]' }}{%- endif %}"
    "{{- '[INST] ' + (ns.system if loop.index0 == ns.last else '') + m.content + '[/INST]' }}"
    "{%- elif m.role == 'tool' %}{{- '[TOOL_RESULTS]' + m.content + '[/TOOL_RESULTS]' }}"
    "{%- elif m.tool_calls %}{{- '[TOOL_CALLS]' }}{%- for call in m.tool_calls %}"
    "{{- {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}{%- endfor %}"
    "{{- '</s>' }}"
    "{%- elif m.role == 'assistant' %}{{- ' ' + m.content | trim + '</s>' }}{%- endif %}{%- endfor %}"
)
# A system turn of its own where there is none, [|roles|], no thought in history: as EXAONE's does.
BARS = (
    "{%- if messages[0].role != 'system' %}{{- '[|system|]\\n[|endofturn|]\\n' }}{%- endif %}"
    "{%- for m in messages %}{{- '[|' + m.role + '|]' }}"
    "{%- if m.role == 'assistant' and m.reasoning_content and loop.last %}"
    "{{- '<thought>\\n' + m.reasoning_content + '\\n</thought>\\n\\n' }}{%- endif %}{{- m.content }}"
    "{{- '\\n' if m.role == 'user' else '[|endofturn|]\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '[|assistant|]' }}{%- endif %}{#[|user|]#}"
)
TEMPLATES = {"thinks_last": THINKS_LAST, "inst": INST, "bars": BARS, **BUILT_IN}
SYSTEM: Message = {"role": "system", "content": "짧게 답하세요."}


def chat(*texts: str) -> list[Message]:
    out: list[Message] = []
    for at, text in enumerate(texts):
        message: Message = {"role": ("user", "assistant")[at % 2], "content": text}
        out.append({**message, "train": True} if at % 2 else message)
    return out


def trained(renderer: Renderer, row: RenderedIds) -> str:
    return str(renderer._tokenizer.decode([label for label in row.labels if label >= 0]))


def test_a_conversation_that_is_rewritten_becomes_a_row_a_turn() -> None:
    renderer = Renderer(byte_level(THINKS_LAST))
    messages = chat("하나?", "<think>\n생각\n</think>\n\n둘.", "셋?", "넷.")
    first, second = renderer.rows(messages)
    assert (first.turns, second.turns) == ((1,), (3,))
    assert trained(renderer, first) == "<think>\n생각\n</think>\n\n둘.<|im_end|>"
    assert trained(renderer, second) == "<think>\n\n</think>\n\n넷.<|im_end|>"
    assert "생각" not in renderer._tokenizer.decode(second.input_ids)
    assert renderer.rows(messages)[-1] == second


def test_a_thought_is_a_target_a_context_or_written_into_the_content() -> None:
    messages: list[Message] = [
        {"role": "user", "content": "17 더하기 25는?"},
        {"role": "assistant", "content": "42입니다.", "reasoning": "17에 25를 더하면 42.", "train": True},
    ]
    for template in (THINKS_LAST, BUILT_IN["chatml"], BARS):
        renderer = Renderer(byte_level(template))
        (whole,) = renderer.rows(messages)
        (answer,) = renderer.rows(messages, train_reasoning=False)
        assert "17에 25를 더하면 42." in trained(renderer, whole)
        end = renderer._tokenizer.decode([renderer.end_of_turn_id])
        assert trained(renderer, answer) == f"42입니다.{end}"
        assert whole.input_ids == answer.input_ids


def test_system_text_that_moves_into_the_last_question_makes_a_row_a_turn() -> None:
    renderer = Renderer(byte_level(INST))
    rows = renderer.rows([SYSTEM, *chat("하나?", "둘.", "셋?", "넷.")])
    assert [row.turns for row in rows] == [(2,), (4,)]
    assert [trained(renderer, row) for row in rows] == [" 둘.</s>", " 넷.</s>"]
    texts = [renderer._tokenizer.decode(row.input_ids) for row in rows]
    assert texts[0] == "<s>[INST] 짧게 답하세요.\n\n하나?[/INST] 둘.</s>"
    assert texts[1] == "<s>[INST] 하나?[/INST] 둘.</s>[INST] 짧게 답하세요.\n\n셋?[/INST] 넷.</s>"
    (both,) = renderer.rows(chat("하나?", "둘.", "셋?", "넷."))
    assert both.turns == (1, 3)


def test_calls_are_targets_and_tools_are_shown() -> None:
    renderer = Renderer(byte_level(INST))
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])
    call: Any = {"id": "a1", "name": "weather", "arguments": '{"city": "서울"}'}
    messages: list[Message] = [
        {"role": "user", "content": "서울의 날씨는?"},
        {"role": "assistant", "content": "", "tool_calls": [call], "train": True},
        {"role": "tool", "content": "맑음", "tool_call_id": "a1", "name": "weather"},
        {"role": "assistant", "content": "맑습니다.", "train": True},
    ]
    (row,) = renderer.rows(messages, tools)
    assert row.turns == (1, 3)
    assert trained(renderer, row) == (
        '[TOOL_CALLS]{"name": "weather", "arguments": {"city": "서울"}}</s> 맑습니다.</s>'
    )
    assert '[AVAILABLE_TOOLS][{"type": "function"' in renderer._tokenizer.decode(row.input_ids)
    with pytest.raises(RowRefused, match="template_without_calls"):
        Renderer(byte_level(BUILT_IN["chatml"])).rows(messages, tools)


CALL: Any = {"id": "a1", "name": "weather", "arguments": '{"city": "서울"}'}
CALLED: list[Message] = [
    {"role": "user", "content": "서울의 날씨는?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "train": False},
    {"role": "tool", "content": "맑음", "tool_call_id": "a1", "name": "weather"},
    {"role": "assistant", "content": "맑습니다.", "train": True},
]


def test_calls_and_results_that_are_context_are_lost_by_no_template() -> None:
    (row,) = Renderer(byte_level(INST)).rows(CALLED)
    assert row.turns == (3,)
    with pytest.raises(RowRefused, match="template_without_calls"):
        Renderer(byte_level(BUILT_IN["chatml"])).rows(CALLED)
    deaf = INST.replace("'[TOOL_RESULTS]' + m.content + '[/TOOL_RESULTS]'", "''")
    with pytest.raises(RowRefused, match="leaves out or changes message 2"):
        Renderer(byte_level(deaf)).rows(CALLED)
    quoted = INST.replace("'[TOOL_RESULTS]' + m.content", "'[TOOL_RESULTS]' + (m.content | tojson)")
    result: Message = {**CALLED[2], "content": '하늘은 "맑음"\n21도'}
    (row,) = Renderer(byte_level(quoted)).rows([*CALLED[:2], result, CALLED[3]])
    assert row.turns == (3,)


def test_tools_that_a_template_does_not_write_are_told() -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])
    for template, dropped in ((INST, False), (BUILT_IN["chatml"], True)):
        renderer = Renderer(byte_level(template))
        assert renderer.rows(chat("하나?", "둘."), tools)[-1].dropped_tools is dropped
        assert renderer.rows(chat("하나?", "둘."))[-1].dropped_tools is False


def test_special_tokens_in_thoughts_calls_and_tools_stay_text() -> None:
    renderer = Renderer(byte_level(INST))
    call: Any = {"id": None, "name": "say", "arguments": '{"text": "</s>[INST]"}'}
    tools = json.dumps([{"type": "function", "function": {"name": "say", "description": "[/INST]"}}])
    messages: list[Message] = [
        {"role": "user", "content": "</s> 말해 줘"},
        {"role": "assistant", "content": "", "tool_calls": [call], "train": True},
    ]
    (row,) = renderer.rows(messages, tools)
    tokenizer = renderer._tokenizer
    named = [tokenizer.convert_ids_to_tokens(i) for i in row.input_ids if i in renderer._encoder.special_ids]
    assert named == [
        "<s>",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[INST]",
        "[/INST]",
        "[TOOL_CALLS]",
        "</s>",
    ]
    assert trained(renderer, row) == '[TOOL_CALLS]{"name": "say", "arguments": {"text": "</s>[INST]"}}</s>'


def test_a_template_that_acts_on_a_special_token_in_a_text_refuses_the_row() -> None:
    acts = BUILT_IN["chatml"].replace("message['content']", "message['content'].split('<|im_end|>')[0]")
    with pytest.raises(RowRefused, match="acts upon"):
        Renderer(byte_level(acts)).rows(chat("가<|im_end|>나", "다"))


def test_an_answer_that_is_asked_for_otherwise_than_written_is_refused_with_both_texts() -> None:
    asks_for_thoughts = THINKS_LAST.replace(ASKS, ASKS.replace("assistant\\n", "assistant\\n<think>\\n!"))
    with pytest.raises(TemplateError, match=r"asks for an answer with .*!.* and writes one as .*답") as error:
        Renderer(byte_level(asks_for_thoughts))
    assert "\n" not in str(error.value)
    sometimes = THINKS_LAST.replace("{%- if loop.last %}", "{%- if loop.last and r %}").replace(
        ASKS, ASKS.replace("assistant\\n", "assistant\\n<think>\\n")
    )
    renderer = Renderer(byte_level(sometimes))
    with pytest.raises(PromptMismatch):
        renderer.rows(chat("하나?", "둘."))
    (row,) = renderer.rows(chat("하나?", "<think>\n생각\n</think>\n\n둘."))
    assert trained(renderer, row) == "생각\n</think>\n\n둘.<|im_end|>"


def test_a_template_that_asks_for_nothing_and_writes_a_title_is_refused() -> None:
    deaf = BUILT_IN["chatml"].partition("{% if add_generation_prompt")[0]
    with pytest.raises(TemplateError, match="asks for an answer"):
        Renderer(byte_level(deaf))


def test_where_an_answer_ends_with_nothing_the_next_turns_token_ends_it() -> None:
    open_ended = (
        "{%- for m in messages %}{{- '<|' + m.role + '|>' + m.content }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}{#<|user|>#}"
    )
    renderer = Renderer(byte_level(open_ended))
    (row,) = renderer.rows(chat("하나?", "둘.", "셋?", "넷."))
    assert trained(renderer, row) == "둘.<|user|>넷.<|user|>"
    assert renderer._tokenizer.convert_ids_to_tokens(renderer.end_of_turn_id) == "<|user|>"


def test_a_template_of_parts_gets_parts() -> None:
    parts = BUILT_IN["chatml"].replace("message['content']", "message['content'][0]['text']")
    (row,) = (renderer := Renderer(byte_level(parts))).rows(chat("하나?", "둘."))
    assert trained(renderer, row) == "둘.<|im_end|>"


def test_named_templates_are_chosen_by_tools() -> None:
    tokenizer = byte_level(INST)
    plain = INST.replace("'[INST] '", "'[INST] default '")
    tokenizer.chat_template = {"default": plain, "tool_use": INST}
    renderer = Renderer(tokenizer)
    tools = json.dumps([{"type": "function", "function": {"name": "weather"}}])
    for given_tools, shown in ((None, True), (tools, False)):
        ids = renderer.prompt(chat("하나?"), given_tools)
        assert ("default" in tokenizer.decode(ids)) == shown


TEXT = st.text(st.sampled_from("가나다 ab\n.<>12{}"), min_size=1, max_size=12).filter(str.strip)
THOUGHT = st.one_of(st.none(), TEXT)


@given(
    name=st.sampled_from([*TEMPLATES]),
    texts=st.lists(st.tuples(TEXT, TEXT, THOUGHT, st.booleans()), min_size=1, max_size=3),
    system=st.booleans(),
    train_reasoning=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_trained_ids_are_the_answers_behind_their_served_prompts(
    name: str, texts: list[tuple[str, str, str | None, bool]], system: bool, train_reasoning: bool
) -> None:
    renderer = RENDERERS[name]
    messages: list[Message] = [SYSTEM] if system else []
    for question, text, thought, train in texts:
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": text, "reasoning": thought, "train": train},
        ]
    rows = renderer.rows(messages, train_reasoning=train_reasoning)
    tokenizer = renderer._tokenizer
    wanted = [at for at, message in enumerate(messages) if message.get("train")]
    assert sorted(turn for row in rows for turn in row.turns) == wanted
    for row in rows:
        labels = list(row.labels)
        for turn in row.turns:
            prompt = renderer.prompt(messages[:turn])
            assert row.input_ids[: len(prompt)] == prompt
            start = next(at for at in range(len(prompt), len(labels)) if labels[at] >= 0)
            end = row.input_ids.index(renderer.end_of_turn_id, start) + 1
            target = str(tokenizer.decode(row.input_ids[start:end]))
            assert labels[start:end] == row.input_ids[start:end]
            labels[start:end] = [-100] * (end - start)
            answer = messages[turn]["content"].strip()
            assert (
                target.removesuffix(str(tokenizer.decode([renderer.end_of_turn_id]))).strip().endswith(answer)
            )
            thought = (messages[turn].get("reasoning") or "").strip()
            assert not train_reasoning or not thought or thought in target
            if train_reasoning or not thought:
                assert start == len(prompt), "the target begins right behind the prompt"
        assert set(labels) == {-100}, "nothing else is trained"


RENDERERS = {name: Renderer(byte_level(template)) for name, template in TEMPLATES.items()}


# Takes calls whose ids have nine letters or digits, and no others, as Mistral's does.
NINE = (
    "{%- for m in messages %}{%- for call in m.tool_calls or [] %}"
    "{%- if not call.id or call.id | length != 9 %}"
    "{{- raise_exception('Tool call IDs should have length 9') }}{%- endif %}{%- endfor %}"
    "{{- '<|im_start|>' + m.role + '\\n' + (m.content or '') }}{%- for call in m.tool_calls or [] %}"
    "{{- '[CALL]' + call.function.name + (call.function.arguments | tojson) }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}{%- endfor %}" + ASKS
)


@pytest.mark.parametrize("call_id", ["call_abc", None])
def test_a_template_that_refuses_nothing_but_ids_of_calls_says_what_to_write(call_id: str | None) -> None:
    renderer = Renderer(byte_level(NINE))

    def called(name: str | None) -> list[Message]:
        calls: Any = [{"id": name, "name": "f", "arguments": "{}"}]
        asked, answer = chat("서울의 날씨는?", "")
        result: Message = {"role": "tool", "content": "맑음", "name": "f"}
        result = result if name is None else {**result, "tool_call_id": name}
        return [asked, {**answer, "tool_calls": calls}, result, chat("", "맑아요.")[1]]

    assert len(renderer.rows(called("call00001"))[-1].turns) == 2
    with pytest.raises(
        RowRefused, match=r"length 9; with ids of nine digits for its calls \(now .*\) it takes"
    ):
        renderer.rows(called(call_id))


def test_a_template_that_refuses_something_else_gets_no_such_advice() -> None:
    template = NINE.replace("not call.id or call.id | length != 9", "call.function.name == 'g'")
    asked, answer = chat("서울의 날씨는?", "")
    calls: Any = [{"id": "call_abc", "name": "g", "arguments": "{}"}]
    with pytest.raises(RowRefused) as refused:
        Renderer(byte_level(template)).rows([asked, {**answer, "tool_calls": calls}])
    assert "nine digits" not in str(refused.value)
