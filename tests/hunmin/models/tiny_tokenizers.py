"""Small tokenizers of the kinds that models have, whose special tokens are those of a template."""

import re
from functools import lru_cache

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "안녕하세요. 오늘은 날씨가 참 좋네요. 산책을 나갈까요?\n\n네, 좋습니다.\n",
    "서울의 날씨는 맑습니다. 17에 25를 더하면 42입니다.",
    "The quick brown fox jumps over the lazy dog.\n\nIt is 42 degrees.\n",
    "assistant\nuser\nsystem\n<think>\n\n</think>\n\nUSER: ASSISTANT: ### Response:\n",
] * 3

# Words and line ends, as Llama 3 and Qwen take them apart.
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# <|im_start|>, <｜User｜>, <|tool_call>, <turn|>, <end_of_turn>, <s>, </s>, [INST], [|user|]
_SPECIAL = re.compile(
    r"<[|｜][^<>\s'\"]+[|｜]?>|<[a-z_]+\|>|<(?:start|end)_of_[a-z]+>|</?s>|\[/?[A-Z_]+\]|\[\|[a-z]+\|\]"
)


def special_texts(template: str) -> list[str]:
    """What looks like a special token in a template, in order and once."""
    return list(dict.fromkeys(_SPECIAL.findall(template)))


def byte_level(template: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE, as those of Llama 3 and Qwen, which joins spaces and line ends with what follows."""
    return _with_template(Tokenizer.from_str(_byte_level_json()), template, "<|endoftext|>")


def as_gpt2(template: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE that splits words by GPT-2's own pattern, as SmolLM's does."""
    return _with_template(Tokenizer.from_str(_byte_level_json(gpt2=True)), template, "<|endoftext|>")


@lru_cache(maxsize=2)
def _byte_level_json(gpt2: bool = False) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if gpt2:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer.to_str()


def metaspace(template: str, prepend_scheme: str = "first") -> PreTrainedTokenizerFast:
    """A SentencePiece unigram with byte fallback, as those of Gemma and Mistral."""
    pieces = {char: -6.0 for text in TEXTS for char in text.replace(" ", "▁") if char != "\n"}
    pieces |= {f"▁{word}": -4.0 for text in TEXTS for word in text.split()}
    fallback = [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    vocab = [("<unk>", 0.0), *fallback, *sorted(pieces.items())]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend_scheme)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _with_template(tokenizer, template, "</s>")


def prepending(template: str) -> PreTrainedTokenizerFast:
    """The older conversion of SentencePiece, as Llama 2's: a normalizer writes the spaces."""
    tokenizer = metaspace(template).backend_tokenizer
    tokenizer.pre_tokenizer = None  # type: ignore[assignment]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return _with_template(tokenizer, template, "</s>")


def word_piece(template: str) -> PreTrainedTokenizerFast:
    """WordPiece, as BERT's: it joins what belongs together and cannot give a text back."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=600, special_tokens=["[UNK]"], show_progress=False)
    )
    return _with_template(tokenizer, template, "<|endoftext|>")


def _with_template(tokenizer: Tokenizer, template: str, eos: str) -> PreTrainedTokenizerFast:
    named = [text for text in special_texts(template) if text != eos]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in [eos, *named]])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token=eos,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
