import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import BUILT_IN, TemplateError, template_text
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.schema import IGNORE_INDEX

# Everything but what Unicode itself forbids and what SentencePiece uses for the space.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"),
        st.sampled_from("가나다라마힣ㄱㅏ각 \n\t😀👩‍👩‍👧{}<|im_end|>▲def x=1;"),
    ),
    min_size=1,
    max_size=40,
)
SPECIAL = st.sampled_from(
    ["<|im_end|>", "<0x0A>", "<unk>", "</s>", "<|im_start|>assistant\n", "<pad>", "  ", "\n"]
)
CONTENT = st.lists(st.one_of(TEXT, SPECIAL), min_size=1, max_size=4).map("".join)
CHAT = st.lists(CONTENT, min_size=2, max_size=6).filter(lambda texts: len(texts) % 2 == 0)

# Strips contents, as Llama 3's does.
TRIMMING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] | trim + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Adds a system prompt of its own, as SmolLM2's does.
OWN_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
    + BUILT_IN["chatml"]
)
# Writes an empty thought before the last answer only, as Qwen3's does.
THINKS_LAST = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if loop.last and m['role'] == 'assistant' %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def with_template(tokenizer: PreTrainedTokenizerFast, template: str) -> PreTrainedTokenizerFast:
    twin = copy.deepcopy(tokenizer)
    twin.chat_template = template
    return twin


def chat(texts: list[str]) -> list[Any]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text, "train": i % 2 == 1} for i, text in enumerate(texts)]


def trained_runs(labels: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    previous = IGNORE_INDEX
    for label in labels:
        if label != IGNORE_INDEX:
            if previous == IGNORE_INDEX:
                runs.append([])
            runs[-1].append(label)
        previous = label
    return runs


@pytest.fixture(scope="module", params=[*BUILT_IN, "own_system"])
def renderer(request: pytest.FixtureRequest, scratch_tokenizer: PreTrainedTokenizerFast) -> Renderer:
    template = OWN_SYSTEM if request.param == "own_system" else BUILT_IN[request.param]
    return Renderer(with_template(scratch_tokenizer, template))


@given(texts=CHAT)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_trained_ids_decode_to_every_answer_and_its_end_of_turn(renderer: Renderer, texts: list[str]) -> None:
    messages = chat(texts)
    rendered = renderer.rows(messages)[-1]
    tokenizer = renderer._tokenizer
    runs = trained_runs(rendered.labels)
    decoded = [tokenizer.decode(run, clean_up_tokenization_spaces=False) for run in runs]
    end = tokenizer.convert_ids_to_tokens(renderer.end_of_turn_id)
    lead = " " if renderer._tokenizer.chat_template == BUILT_IN["vicuna"] else ""
    assert decoded == [lead + m["content"] + str(end) for m in messages if m["train"]]
    assert all(run[-1] == renderer.end_of_turn_id for run in runs)
    assert all(
        label in (IGNORE_INDEX, token)
        for label, token in zip(rendered.labels, rendered.input_ids, strict=True)
    )


@given(texts=CHAT)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_prompt_at_generation_is_a_prefix_of_the_row(renderer: Renderer, texts: list[str]) -> None:
    messages = chat(texts)
    ids = renderer.rows(messages)[-1].input_ids
    labels = renderer.rows(messages)[-1].labels
    for turn in range(1, len(messages), 2):
        prompt = renderer.prompt(messages[:turn])
        assert ids[: len(prompt)] == prompt
        assert labels[len(prompt)] != IGNORE_INDEX, "the answer starts right behind the prompt"


@given(texts=CHAT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_of_special_tokens_in_a_content_stays_text(renderer: Renderer, texts: list[str]) -> None:
    plain = renderer.rows(chat(["가"] * len(texts)))[-1].input_ids
    ids = renderer.rows(chat(texts))[-1].input_ids
    for special in renderer._encoder.special_ids:
        assert ids.count(special) == plain.count(special)


def test_a_masked_answer_is_context(scratch_tokenizer: PreTrainedTokenizerFast) -> None:
    messages = chat(["하나", "둘", "셋", "넷"])
    messages[1]["train"] = False
    renderer = Renderer(with_template(scratch_tokenizer, BUILT_IN["chatml"]))
    (run,) = trained_runs(renderer.rows(messages)[-1].labels)
    assert scratch_tokenizer.decode(run) == "넷<|im_end|>"


def test_a_template_that_strips_trains_the_stripped_answer(
    scratch_tokenizer: PreTrainedTokenizerFast,
) -> None:
    renderer = Renderer(with_template(scratch_tokenizer, TRIMMING))
    (run,) = trained_runs(renderer.rows(chat([" 질문 ", "  답 \n"]))[-1].labels)
    assert scratch_tokenizer.decode(run) == "답<|im_end|>"


def test_turns_that_generation_would_see_otherwise_are_not_trained(
    scratch_tokenizer: PreTrainedTokenizerFast,
) -> None:
    renderer = Renderer(with_template(scratch_tokenizer, THINKS_LAST))
    rendered = renderer.rows(chat(["하나", "둘", "셋", "넷"]))[-1]
    assert rendered.turns == (3,)
    (run,) = trained_runs(rendered.labels)
    assert scratch_tokenizer.decode(run) == "<think>\n\n</think>\n\n넷<|im_end|>"
    prompt = renderer.prompt(chat(["하나", "둘", "셋", "넷"])[:3])
    assert rendered.input_ids[: len(prompt)] == prompt


def test_u2581_is_refused_and_located(scratch_tokenizer: PreTrainedTokenizerFast) -> None:
    renderer = Renderer(with_template(scratch_tokenizer, BUILT_IN["chatml"]))
    with pytest.raises(RowRefused, match=r"undecodable_text.*U\+2581.*character 2"):
        renderer.rows(chat(["질문", "a \u2581b"]))
    renderer.rows(chat(["질문 \u2581", "a b"]))  # as context it does no harm


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (
            "{% for m in messages %}{{ m['content'] | upper }}<|im_end|>{% endfor %}",
            "leaves out|changes the text",
        ),
        ("{% for m in messages %}{{ m['content'] }}{{ m['content'] }}<|im_end|>{% endfor %}", "twice"),
        ("{{ messages[0]['content'] }}<|im_end|>", "leaves out"),
    ],
)
def test_a_template_that_does_not_hold_the_contents_is_refused(
    scratch_tokenizer: PreTrainedTokenizerFast, template: str, why: str
) -> None:
    with pytest.raises((RowRefused, TemplateError), match=why):
        Renderer(with_template(scratch_tokenizer, template)).rows(chat(["question", "answer"]))


def test_a_templates_own_refusal_refuses_the_row_and_not_the_run(
    scratch_tokenizer: PreTrainedTokenizerFast,
) -> None:
    picky = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + BUILT_IN["chatml"]
    )
    renderer = Renderer(with_template(scratch_tokenizer, picky))
    with pytest.raises(RowRefused, match="no system role"):
        renderer.rows([{"role": "system", "content": "x", "train": False}, *chat(["가", "나"])])
    with pytest.raises(TemplateError, match="line 1: not a Jinja template"):
        Renderer(with_template(scratch_tokenizer, "{% for m in messages %}"))
    with pytest.raises(TemplateError, match="cannot be trained on"):
        Renderer(with_template(scratch_tokenizer, "{{ messages[0]['content'] }}<|im_end|>"))


def test_a_template_without_an_end_of_turn_token_is_refused(
    scratch_tokenizer: PreTrainedTokenizerFast,
) -> None:
    template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
    with pytest.raises(TemplateError, match="could not learn to stop"):
        Renderer(with_template(scratch_tokenizer, template))


def test_template_names(scratch_tokenizer: PreTrainedTokenizerFast, tmp_path) -> None:
    (tmp_path / "mine.jinja").write_text(TRIMMING)
    assert template_text("mine.jinja", scratch_tokenizer, tmp_path) == TRIMMING
    assert template_text("vicuna", scratch_tokenizer, tmp_path) == BUILT_IN["vicuna"]
    with pytest.raises(TemplateError, match="neither chat, nor a built-in"):
        template_text("instruction_kr", scratch_tokenizer, tmp_path)


@given(text=CONTENT)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_scratch_tokenizer_is_exact(scratch_tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = scratch_tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert scratch_tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert scratch_tokenizer.unk_token_id not in ids
