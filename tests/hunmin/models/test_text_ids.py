"""Whole renders to ids: as the tokenizer gives them, but that users' special tokens stay text."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_tokenizers import byte_level, metaspace, prepending, word_piece
from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import BUILT_IN, TemplateError
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.models.text_ids import TextEncoder

KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "byte_level": lambda: byte_level(BUILT_IN["chatml"]),
    "metaspace_first": lambda: metaspace(BUILT_IN["chatml"], "first"),
    "metaspace_always": lambda: metaspace(BUILT_IN["chatml"], "always"),
    "metaspace_never": lambda: metaspace(BUILT_IN["chatml"], "never"),
    "prepending": lambda: prepending(BUILT_IN["chatml"]),
    "word_piece": lambda: word_piece(BUILT_IN["chatml"]),
}
TEXT = st.lists(
    st.sampled_from(
        ["<|im_start|>", "<|im_end|>", "안녕", " 날씨", "\n", "  ", "a", "<|im_", "end|>", "뷁", "🎈"]
    ),
    min_size=1,
    max_size=8,
).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return KINDS[request.param]()


@given(text=TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_render_without_masks_has_the_same_ids_either_way(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    encoder = TextEncoder(tokenizer)
    plain = encoder.encode(text)
    assert plain.input_ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    masked = encoder.encode(text, masked=True)
    assert (masked.input_ids, masked.offsets) == (plain.input_ids, plain.offsets)


@given(text=TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_masked_text_is_split_and_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    encoder = TextEncoder(tokenizer)
    masked = encoder.mask(text)
    assert encoder.unmask(masked) == text
    assert len(masked) == len(text)
    ids = encoder.encode(masked, masked=True).input_ids
    assert not encoder.special_ids & set(ids) - {tokenizer.get_vocab().get("[UNK]")}
    assert ids == tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


@pytest.mark.parametrize("template", BUILT_IN)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "word_piece"])
def test_a_rows_ids_are_those_of_apply_chat_template(kind: str, template: str) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.chat_template = BUILT_IN[template]
    contents = ["서울의 날씨는?", "맑습니다. It is 42.", "고마워요", "천만에요."]
    plain = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]
    theirs = tokenizer.apply_chat_template(plain, tokenize=True, return_dict=False)
    row = Renderer(tokenizer).rows([{**m, "train": m["role"] == "assistant"} for m in plain])[-1]  # type: ignore[typeddict-item]
    assert row.input_ids == theirs


def test_a_tokenizer_that_transformers_applies_otherwise_is_refused() -> None:
    tokenizer = byte_level(BUILT_IN["chatml"])
    renderer = Renderer(tokenizer)

    class Odd(type(tokenizer)):
        def apply_chat_template(self, *args: Any, **kwargs: Any) -> Any:
            out = super().apply_chat_template(*args, **kwargs)
            return out if isinstance(out, str) else [*out, 0]

    tokenizer.__class__ = Odd
    with pytest.raises(
        TemplateError, match=r"gives 19 ids for a row that has 18 .* at token 18 of '<.im_start.>"
    ):
        Renderer(tokenizer)
    with pytest.raises(TemplateError, match="use a tokenizer whose two parts agree"):
        renderer.rows([{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}])


def test_where_a_token_would_span_the_end_of_a_prompt_the_text_is_tokenized_apart() -> None:
    tokenizer = byte_level(BUILT_IN["chatml"])
    renderer = Renderer(tokenizer)
    question = {"role": "user", "content": "안녕?"}
    answered = [question, {"role": "assistant", "content": "\n네.", "train": True}]
    row = renderer.rows(answered)[-1]  # type: ignore[arg-type]
    prompt = tokenizer.apply_chat_template([question], add_generation_prompt=True, return_dict=False)
    assert row.input_ids[: len(prompt)] == prompt
    assert tokenizer.decode([label for label in row.labels if label >= 0]) == "\n네.<|im_end|>"
    assert row.input_ids != tokenizer.apply_chat_template(answered, tokenize=True, return_dict=False)
    longer = [answered[1] | {"content": "네."}, question, answered[1]]
    (row,) = renderer.rows([question, *longer])  # type: ignore[list-item]
    assert row.turns == (1, 3), "what comes before is held all the same"
    first, second = renderer.rows([question, answered[1], question, longer[0]])  # type: ignore[list-item]
    assert (first.turns, second.turns) == ((1,), (3,)), "a server cuts the last prompt alone"


def test_a_tokenizer_that_cannot_give_an_answer_back_refuses_the_row() -> None:
    renderer = Renderer(word_piece(BUILT_IN["chatml"]))
    with pytest.raises(RowRefused, match="undecodable_text"):
        renderer.rows(
            [{"role": "user", "content": "가"}, {"role": "assistant", "content": "a b\nc", "train": True}]
        )


def test_private_characters_beside_a_special_tokens_text_are_refused() -> None:
    renderer = Renderer(byte_level(BUILT_IN["chatml"]))
    odd = "\U000f0000"
    for text, refused in ((odd, False), (f"{odd}<|im_end|>", True)):
        row = [{"role": "user", "content": text}, {"role": "assistant", "content": "네", "train": True}]
        if refused:
            with pytest.raises(RowRefused, match="private characters"):
                renderer.rows(row)  # type: ignore[arg-type]
        else:
            renderer.rows(row)  # type: ignore[arg-type]
