"""A template that drops earlier thoughts: each answer is trained once, behind the prompt that asks for it."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from data_pipeline.augment.draw import Drawn
from data_pipeline.packing.fit import Fitter
from hunmin.models.renderer import Renderer
from hunmin.rows import Message
from hunmin.schema import IGNORE_INDEX

# The thought of an answer is written only behind the last question, as Qwen3's template does.
TEMPLATE = """\
{%- set seen = namespace(last=-1) -%}
{%- for m in messages -%}
{%- if m.role == 'user' -%}{%- set seen.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and m.reasoning_content and loop.index0 > seen.last -%}
{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif -%}
{{ m.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

Turn = tuple[bool, float | None]  # whether it thinks, its weight
turns = st.lists(
    st.tuples(st.booleans(), st.sampled_from([None, 1.0, 2.0, 0.0])), min_size=1, max_size=4
).filter(lambda drawn: any(weight != 0 for _, weight in drawn))


@pytest.fixture(scope="module")
def tokenizer(scratch_tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    changed = deepcopy(scratch_tokenizer)
    changed.chat_template = TEMPLATE
    return changed


def conversation(drawn: list[Turn]) -> list[Message]:
    messages: list[Message] = []
    for number, (thinks, weight) in enumerate(drawn):
        answer: Message = {"role": "assistant", "content": f"{number}번 답", "train": True, "weight": weight}
        if thinks:
            answer["reasoning"] = f"생각 {number}"
        messages += [{"role": "user", "content": f"{number}번 질문?"}, answer]
    return messages


@settings(deadline=None)
@given(turns)
def test_every_answer_is_trained_once_with_its_thought_and_weight(
    tokenizer: PreTrainedTokenizerFast, drawn: list[Turn]
) -> None:
    renderer = Renderer(tokenizer)
    fitter = Fitter(renderer, seq_len=4096, shorten=False)
    found: dict[str, float] = {}
    for part in fitter.parts(Drawn(messages=conversation(drawn))):
        assert not isinstance(part, Exception), part
        again = renderer.rows(part.drawn.messages)[-1]
        assert (again.input_ids, again.labels) == (part.ids.input_ids, part.ids.labels)
        pairs = zip(part.ids.input_ids, part.ids.labels, strict=True)
        trained = [token for token, label in pairs if label != IGNORE_INDEX]
        for text in str(tokenizer.decode(trained)).split("<|im_end|>")[:-1]:
            assert text.lstrip("\n") not in found
            found[text.lstrip("\n")] = part.weight
    assert found == {
        f"<think>\n생각 {number}\n</think>\n\n{number}번 답" if thinks else f"{number}번 답": weight or 1.0
        for number, (thinks, weight) in enumerate(drawn)
        if weight != 0
    }
