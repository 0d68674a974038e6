"""Which lines a tokenizer is trained on when there are more than it can take."""

from pathlib import Path

import pytest

from data_pipeline.packing import tokenizer_training


def test_too_many_lines_are_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_training, "MAX_SENTENCES", 30)
    texts = [f"{language} {i}\n\n{language} {i} again" for language in ("en", "ko") for i in range(50)]
    path = tmp_path / "corpus.txt"
    assert tokenizer_training._write_lines(path, texts) == 30
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 30
    assert sum(line.startswith("ko") for line in lines) == 15


def test_few_lines_are_all_taken_in_order(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    assert tokenizer_training._write_lines(path, ["a\n\nb", "", "c"]) == 3
    assert path.read_text() == "a\nb\nc\n"
