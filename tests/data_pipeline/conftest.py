import pytest
from transformers import PreTrainedTokenizerFast

from data_pipeline.packing.tokenizer import train_tokenizer

TEXTS = [
    "안녕하세요. 오늘은 날씨가 참 좋네요. 산책을 나갈까요?",
    "다음 문장을 영어로 옮겨 주세요.\n\n나는 어제 도서관에서 책을 두 권 빌렸다.",
    "def add(a, b):\n    return a + b\n",
    "The quick brown fox jumps over the lazy dog, 1234567890 times.",
    "이 가게는 친절하고 음식이 맛있어요! 😀",
]


@pytest.fixture(scope="session")
def scratch_tokenizer() -> PreTrainedTokenizerFast:
    """A SentencePiece tokenizer trained on a few lines, so that most of a test's text falls back to bytes."""
    return train_tokenizer(TEXTS * 20, vocab_size=600)
