"""The pieces of a rendered row: their ids are the row's, their offsets the characters of the tokens."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import BUILT_IN
from hunmin.models.renderer import Renderer

CONTENT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"),
        st.sampled_from("가나뷁힣ㄱㅏ각 \n\t😀<|im_end|>"),
    ),
    min_size=1,
    max_size=30,
)


def chat(texts: list[str]) -> list[Any]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text, "train": i % 2 == 1} for i, text in enumerate(texts)]


@pytest.fixture(scope="module", params=[*BUILT_IN])
def renderer(request: pytest.FixtureRequest, scratch_tokenizer: PreTrainedTokenizerFast) -> Renderer:
    twin = copy.deepcopy(scratch_tokenizer)
    twin.chat_template = BUILT_IN[request.param]
    return Renderer(twin)


@given(texts=st.lists(CONTENT, min_size=2, max_size=4).filter(lambda texts: len(texts) % 2 == 0))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_join_to_the_row_and_offsets_cover_every_character(
    renderer: Renderer, texts: list[str]
) -> None:
    pieces = renderer.pieces_with_offsets(chat(texts))
    (row,) = renderer.rows(chat(texts))
    assert [token for piece in pieces for token in piece.input_ids] == row.input_ids
    assert [piece.text for piece in pieces if piece.is_content] == texts
    assert [piece.message for piece in pieces if piece.is_content] == [*range(len(texts))]
    for piece in pieces:
        covered = [at for start, end in piece.offsets for at in range(start, end)]
        # A token that also stands for the template's text before a content (" 0") is the content's.
        assert sorted(set(covered)) == [*range(len(piece.text))] or not piece.is_content
        assert len(piece.offsets) == len(piece.input_ids)


def test_tokens_of_a_split_syllable_share_its_place(renderer: Renderer) -> None:
    piece = next(one for one in renderer.pieces_with_offsets(chat(["a뷁b", "네"])) if one.is_content)
    assert piece.offsets == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]
