"""Tokens as text: whole characters, special tokens by name, nothing lost or doubled."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hunmin.schema import IGNORE_INDEX
from launcher.inspect.tokens import TokenTexts

TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"),
        st.sampled_from("가나뷁힣ㄱㅏ각 \n\t😀👩‍👩‍👧\ufffd<|im_end|>"),
    ),
    max_size=30,
)


def byte_level() -> Tokenizer:
    """Bytes as GPT-2 writes them, and no merge: every syllable is three tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: index for index, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    return tokenizer


@pytest.fixture(scope="module", params=["sentencepiece", "byte_level"])
def texts(
    request: pytest.FixtureRequest,
    scratch_tokenizer: PreTrainedTokenizerFast,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TokenTexts, Tokenizer]:
    folder = tmp_path_factory.mktemp(request.param)
    own = scratch_tokenizer.backend_tokenizer if request.param == "sentencepiece" else byte_level()
    own.save(str(folder / "tokenizer.json"))
    return TokenTexts(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.encode_special_tokens = True  # as text
    return tokenizer.encode(text, add_special_tokens=False).ids


def end_of_turn(tokenizer: Tokenizer) -> int:
    found = tokenizer.token_to_id("<|im_end|>")
    assert found is not None
    return found


@given(text=TEXT)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_groups_give_the_text_and_hold_every_token_once(
    texts: tuple[TokenTexts, Tokenizer], text: str
) -> None:
    ids = ids_of(texts[1], text)
    groups = list(texts[0].groups(ids, [IGNORE_INDEX] * len(ids), start=7))
    assert "".join(group.text for group in groups) == text
    assert [token for group in groups for token in group.ids] == ids
    assert [group.position for group in groups] == [
        7 + sum(len(group.ids) for group in groups[:i]) for i in range(len(groups))
    ]
    assert not any(group.special or group.trained for group in groups)


@given(text=TEXT)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_offsets_are_the_characters_whose_bytes_a_token_holds(
    texts: tuple[TokenTexts, Tokenizer], text: str
) -> None:
    ids = ids_of(texts[1], text)
    offsets = texts[0].offsets(text, ids)
    assert offsets is not None
    assert sorted({at for start, end in offsets for at in range(start, end)}) == [*range(len(text))]
    place = 0
    for group in texts[0].groups(ids, ids):
        start, end = offsets[place][0], offsets[place + len(group.ids) - 1][1]
        assert text[start:end] == group.text
        place += len(group.ids)
    assert texts[0].offsets(text + "가", ids) is None


def test_neighbouring_rare_syllables_have_places_of_their_own(texts: tuple[TokenTexts, Tokenizer]) -> None:
    assert texts[0].offsets("뷁뷀", ids_of(texts[1], "뷁뷀")) == [(0, 1)] * 3 + [(1, 2)] * 3


def test_a_syllable_of_three_tokens_is_one_group(texts: tuple[TokenTexts, Tokenizer]) -> None:
    ids = ids_of(texts[1], "뷁")
    assert len(ids) == 3
    (group,) = texts[0].groups(ids, ids)
    assert (group.position, group.ids, group.text, group.trained) == (0, tuple(ids), "뷁", True)


def test_special_tokens_stand_alone_and_their_text_does_not(texts: tuple[TokenTexts, Tokenizer]) -> None:
    end = end_of_turn(texts[1])
    as_text = ids_of(texts[1], "<|im_end|>")
    assert end not in as_text
    groups = list(texts[0].groups([*as_text, end], [IGNORE_INDEX] * len(as_text) + [end]))
    assert [(group.text, group.trained) for group in groups if group.special] == [("<|im_end|>", True)]
    assert "".join(group.text for group in groups if not group.special) == "<|im_end|>"


def test_a_cut_character_never_takes_the_next_part(texts: tuple[TokenTexts, Tokenizer]) -> None:
    """The mask changes, a special token comes, or the segment ends inside a character."""
    first, second, third = ids_of(texts[1], "뷁")
    end = end_of_turn(texts[1])
    masked = list(texts[0].groups([first, second, third], [IGNORE_INDEX, second, third]))
    assert (masked[0].position, masked[0].trained) == (0, False)
    assert masked[0].text == "\ufffd"
    assert all(group.trained for group in masked[1:])
    cut = list(texts[0].groups([first, end, first], [IGNORE_INDEX] * 3))
    assert [(group.text, group.special) for group in cut] == [
        ("\ufffd", False),
        ("<|im_end|>", True),
        ("\ufffd", False),
    ]
