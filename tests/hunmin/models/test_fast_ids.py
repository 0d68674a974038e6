"""gigatoken's ids are those of tokenizers, or are not used."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import as_gpt2, metaspace

from hunmin.errors import InputError
from hunmin.models import fast_ids
from hunmin.models.chat_templates import BUILT_IN
from hunmin.models.fast_ids import CHECKED_EVERY, FastIds, FastIdsDiffer
from hunmin.models.renderer import RenderedIds, Renderer
from hunmin.models.text_ids import TextEncoder

pytest.importorskip("gigatoken", reason="make check installs gigatoken")
PIECES = ["<|im_start|>", "<|im_end|>", "안녕", " 날씨", "\n", "  ", "a", "don't", "12", "뷁", "🎈", "\u200b"]


@given(text=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join))
@settings(max_examples=300, deadline=None)
def test_ids_and_offsets_are_those_of_tokenizers(text: str) -> None:
    slow, fast = (TextEncoder(as_gpt2(BUILT_IN["chatml"])) for _ in range(2))
    fast.encode_fast()
    one, other = slow.encode(text), fast.encode(text)
    assert (other.input_ids, other.offsets) == (one.input_ids, one.offsets)


def test_rows_are_rendered_to_the_same_ids_and_labels() -> None:
    slow, fast = (Renderer(as_gpt2(BUILT_IN["chatml"])) for _ in range(2))
    fast.encode_fast()
    for number in range(CHECKED_EVERY):
        messages: Any = [
            {"role": "user", "content": f"{number}번 질문 <|im_end|>입니다. 🎈" if number % 3 else "뭐?"},
            {"role": "assistant", "content": f"답은 {number}", "train": number % 2 == 0},
            {"role": "user", "content": "그래서?"},
            {"role": "assistant", "content": "그래서  그렇다.\n", "train": True},
        ]
        assert fast.rows(messages) == slow.rows(messages)


def test_a_tokenizer_that_it_does_not_read_is_refused() -> None:
    with pytest.raises(FastIdsDiffer, match="does not read this tokenizer"):
        Renderer(metaspace(BUILT_IN["chatml"])).encode_fast()


def test_a_difference_is_found_in_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(as_gpt2(BUILT_IN["chatml"]))
    renderer.encode_fast()
    right = FastIds._ids

    def wrong(self: FastIds, text: str) -> list[int]:
        return right(self, text)[:-1] if "Paris" in text else right(self, text)

    monkeypatch.setattr(FastIds, "_ids", wrong)  # a library with a fault

    def render() -> list[RenderedIds]:
        question, answer = (
            {"role": "user", "content": "Where?"},
            {"role": "assistant", "content": "Paris", "train": True},
        )
        return renderer.rows([question, answer])  # type: ignore[list-item]

    with pytest.raises(FastIdsDiffer, match="other ids for"):
        [render() for _ in range(CHECKED_EVERY)]
    renderer.encode_slowly()
    assert render()


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(fast_ids, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install --no-deps gigatoken==.*leave data.fast_tokenizer out"):
        fast_ids.require_package()
