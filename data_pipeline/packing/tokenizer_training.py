"""A SentencePiece tokenizer from the train split, as a `transformers` fast tokenizer.

Identity normalization, no dummy prefix, white space kept, byte fallback: decoding is exact for every text
but U+2581, which SentencePiece uses for the space.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hunmin.errors import GateError, InputError, one_line
from hunmin.models.chat_templates import BUILT_IN

SPECIAL_TOKENS = ("<pad>", "<|im_start|>", "<|im_end|>")
MAX_SENTENCES = 400_000  # SentencePiece holds them all in memory
_SPACE = "▁"


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """A unigram tokenizer of at most `vocab_size` tokens; equal texts in equal order give equal bytes.

    Args:
        texts: training texts in a fixed order; of more than MAX_SENTENCES lines some are read, evenly.
        vocab_size: an upper bound, special and byte tokens included.

    Raises:
        GateError: there is no text to train on.
    """
    with tempfile.TemporaryDirectory(prefix="hunmin-spm-") as folder:
        corpus = Path(folder) / "corpus.txt"
        if not _write_lines(corpus, texts):
            raise GateError("the train split holds no text to train a tokenizer on")
        prefix = str(Path(folder) / "model")
        _train(
            input=str(corpus),
            model_prefix=prefix,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_digits=True,
            character_coverage=0.9995,
            required_chars="".join(chr(code) for code in range(0x21, 0x7F)),
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            control_symbols=list(SPECIAL_TOKENS),
            num_threads=1,  # the sums of EM depend on the number of threads
            max_sentence_length=16384,
            minloglevel=2,
        )
        processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")  # type: ignore[call-arg]
    return from_sentencepiece(processor)


def from_sentencepiece(processor: sentencepiece.SentencePieceProcessor) -> PreTrainedTokenizerFast:
    """The same unigram model in `tokenizers`; ids are the SentencePiece ids."""
    size = processor.get_piece_size()
    # Control and byte pieces are no text: a user who writes "<0x0A>" or "<|im_end|>" gets characters.
    # `tokenizers` has no such kind of piece, so a score that no path of characters can fall below bars
    # them; every ASCII character is a piece, so such a path always exists.
    vocab = [
        (processor.id_to_piece(i), processor.get_score(i) if _is_text(processor, i) else -1e6)
        for i in range(size)
    ]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # SentencePiece trained on lines, so no piece may cross a line end.
            pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"),
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="never", split=True),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", *SPECIAL_TOKENS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=BUILT_IN["chatml"],
        clean_up_tokenization_spaces=False,
        model_max_length=int(1e9),  # the limit is the model's, not the tokenizer's
    )


def _train(*, vocab_size: int, **options: Any) -> None:
    try:
        sentencepiece.SentencePieceTrainer.train(vocab_size=vocab_size, **options)  # type: ignore[attr-defined]
    except RuntimeError as error:
        raise InputError(
            f"model.from_scratch.vocab_size {vocab_size} is too small for the characters of this corpus "
            f"(SentencePiece: {one_line(error, -1)}); raise it"
        ) from error


def _is_text(processor: sentencepiece.SentencePieceProcessor, index: int) -> bool:
    return not (processor.is_byte(index) or processor.is_control(index) or processor.is_unknown(index))


def _write_lines(path: Path, texts: Iterable[str]) -> int:
    """The texts' lines, at most MAX_SENTENCES of them, evenly from all of the texts; how many."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for text in texts:
            lines = [line for line in text.splitlines() if line.strip()]
            out.writelines(line + "\n" for line in lines)
            count += len(lines)
    if count <= MAX_SENTENCES:
        return count
    whole = path.rename(path.with_suffix(".all"))
    with whole.open(encoding="utf-8") as every, path.open("w", encoding="utf-8") as out:
        for number, line in enumerate(every):
            if (number + 1) * MAX_SENTENCES // count > number * MAX_SENTENCES // count:
                out.write(line)
    return MAX_SENTENCES
