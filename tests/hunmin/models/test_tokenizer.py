"""Tokenizers as they are loaded."""

import json
import subprocess
import sys
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hunmin.models.tokenizer import load_tokenizer


def test_a_saved_tokenizer_is_loaded_as_transformers_loads_it(
    scratch_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    scratch_tokenizer.save_pretrained(str(tmp_path))
    settings = tmp_path / "tokenizer_config.json"
    for name in (None, "PreTrainedTokenizerFast", "GPT2Tokenizer", "NoSuchTokenizer"):
        written = json.loads(settings.read_text()) | {"tokenizer_class": name}
        settings.write_text(json.dumps(written))
        ours, theirs = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(str(tmp_path))
        assert type(ours) is type(theirs)
        assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()


def test_torch_is_not_imported_for_it(scratch_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    scratch_tokenizer.save_pretrained(str(tmp_path))
    code = (
        "import sys\nfrom pathlib import Path\nfrom hunmin.models.tokenizer import load_tokenizer\n"
        f"load_tokenizer(Path({str(tmp_path)!r}))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
