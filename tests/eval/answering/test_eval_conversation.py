"""A conversation with a tiny model: the ids, the stream, the history, and what does not fit."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from eval.answering.conversation import Chat, TextStream
from eval.engines import GenerationSettings
from eval.engines.hf import HFEngine
from hunmin.errors import InputError
from hunmin.models.renderer import Renderer


def chat_with(model_folder: Path, *, max_new_tokens: int = 24, system: str | None = None) -> Chat:
    return Chat(model_folder, tokenizer=model_folder, max_new_tokens=max_new_tokens, system=system)


@pytest.fixture(scope="module")
def renderer(tokenizer: PreTrainedTokenizerFast) -> Renderer:
    return Renderer(tokenizer)


def asked(chat: Chat, text: str) -> tuple[str, list[str]]:
    pieces: list[str] = []
    return chat.ask(text, show=pieces.append).text, pieces


def test_prompt_ids_are_those_of_training_over_turns(model_folder: Path, renderer: Renderer) -> None:
    chat = chat_with(model_folder, system="짧게 답하세요.")
    answer, _ = asked(chat, "오늘 날씨가 어때요?")
    history = [
        {"role": "system", "content": "짧게 답하세요."},
        {"role": "user", "content": "오늘 날씨가 어때요?"},
        {"role": "assistant", "content": answer, "train": True},
        {"role": "user", "content": "산책하러 갈까요?"},
    ]
    ids = chat.prompt("산책하러 갈까요?")
    assert ids == renderer.prompt(history)
    trained = renderer.rows([*history, {"role": "assistant", "content": "네", "train": True}])[-1]
    assert trained.input_ids[: len(ids)] == ids
    chat.reset()
    assert chat.prompt("산책하러 갈까요?") == renderer.prompt([history[0], history[3]])


def test_answers_are_those_of_the_engine_and_come_in_pieces(
    model_folder: Path, renderer: Renderer, tokenizer: PreTrainedTokenizerFast
) -> None:
    settings = GenerationSettings(
        max_new_tokens=24, temperature=0.0, seed=0, stop_ids=tuple(renderer.stop_ids), num_threads=1
    )
    prompt = renderer.prompt([{"role": "user", "content": "나는 학교에 갑니다."}])
    (wanted,) = HFEngine(str(model_folder), settings=settings).generate([prompt])
    text, pieces = asked(chat_with(model_folder), "나는 학교에 갑니다.")
    assert text == tokenizer.decode(wanted.ids, skip_special_tokens=True)
    assert len("".join(pieces)) == len(text)
    assert "정말" in "".join(pieces)
    assert len(pieces) > 3, "it must not come in one piece"


def test_decomposed_hangul_is_asked_as_in_training(model_folder: Path) -> None:
    chat = chat_with(model_folder)
    assert chat.prompt("  \u1112\u1161\u11ab글\r\n") == chat.prompt("한글")


def test_what_does_not_fit_is_refused_and_not_remembered(model_folder: Path) -> None:
    chat = chat_with(model_folder, max_new_tokens=480)
    with pytest.raises(InputError, match=r"the model takes 512, and an answer may have 480 .*/reset"):
        chat.ask("긴 글 " * 60, show=print)
    assert len(chat.prompt("네")) < 32


def test_an_answer_that_is_stopped_is_not_remembered(model_folder: Path) -> None:
    chat = chat_with(model_folder)

    def stop(piece: str) -> None:
        raise KeyboardInterrupt

    before = chat.prompt("네")
    with pytest.raises(KeyboardInterrupt):
        chat.ask("오늘 날씨가 어때요?", show=stop)
    assert chat.prompt("네") == before


def test_a_message_that_the_model_fails_at_is_said_and_not_remembered(model_folder: Path) -> None:
    chat = chat_with(model_folder)
    before = chat.prompt("네")
    rare = next(token for token in chat.prompt("오늘 산책하러 갈까요?") if token not in before)
    with torch.no_grad():
        chat._engine._model.get_input_embeddings().weight[rare] = torch.nan
    with pytest.raises(InputError, match=r"fails at this conversation \(its logits are no numbers\).*/reset"):
        chat.ask("오늘 산책하러 갈까요?", show=print)
    assert chat.prompt("네") == before


def test_a_character_is_shown_when_it_is_whole() -> None:
    words = {1: b"\xed", 2: b"\x95", 3: b"\x9c", 4: "글".encode()}
    shown: list[str] = []
    stream = TextStream(lambda ids: b"".join(words[i] for i in ids).decode(errors="replace"), shown.append)
    for token in (4, 1, 2, 3):
        stream.add(token)
    assert shown == ["글", "한"]
    assert stream.end() == "글한"
    assert "".join(shown) == "글한"


def test_bytes_that_are_no_character_are_shown_at_the_end() -> None:
    shown: list[str] = []
    stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), shown.append)
    for token in b"a\xed":
        stream.add(token)
    assert stream.end() == "a\ufffd"
    assert "".join(shown) == "a\ufffd"
