"""A GGUF file as a transformers folder: converted once, kept in the cache, verified when it is used again.

The trainer reads safetensors slice by slice, and nothing trains on quantized blocks, so a GGUF is unpacked to
fp32. The folder's name is the file's sha256: the same file gives the same folder wherever it lies.
"""

import fcntl
import importlib.util
import io
import json
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import lru_cache
from pathlib import Path
from typing import Any

from hunmin.artifact import whole_folder, write_json
from hunmin.errors import EnvironmentFailure, InputError, did_you_mean, one_line
from hunmin.hashing import sha256_file
from hunmin.progress import say
from hunmin.section import resolve_path

PACKAGE = "package:"
CONVERTER_VERSION = 2  # raised by hand when the same GGUF would give another folder
CONVERSION = "conversion.json"  # written last: which GGUF, and the sha256 of every file
# Vocabularies whose digits stand alone, which transformers does not know; it would split as GPT-2 does.
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone")
_AS_GPT2 = (None, "default", "gpt-2", "mpt", "olmo")


def names_gguf(path: str) -> bool:
    """Whether `model.path` means a GGUF file: in an installed package, or by its suffix."""
    return path.startswith(PACKAGE) or path.endswith(".gguf")


def gguf_file(path: str, *, base: Path) -> Path:
    """The file that `package:IMPORT_NAME/FILE.gguf` or a path ending in .gguf means.

    Raises:
        InputError: no such package or file.
    """
    if not path.startswith(PACKAGE):
        file = resolve_path(path, base)
        if not file.is_file():
            raise InputError(f"model.path {path}: no file at {file}{_near(file)}")
        return file
    name, _, inside = path.removeprefix(PACKAGE).partition("/")
    if not name.isidentifier() or not inside.endswith(".gguf") or ".." in Path(inside).parts:
        raise InputError(
            f"model.path {path}: a file inside an installed package is written package:IMPORT_NAME/FILE.gguf"
        )
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"model.path {path}: the package {name} is not installed; run: make demo "
            f"(or: pip install --no-deps {name.replace('_', '-')})"
        )
    file = Path(next(iter(spec.submodule_search_locations))) / inside
    if not file.is_file():
        raise InputError(f"model.path {path}: the package {name} holds no {inside}{_near(file)}")
    return file


def _near(file: Path) -> str:
    names = sorted(path.name for path in file.parent.glob("*.gguf")) if file.parent.is_dir() else []
    hint = did_you_mean(file.name, names, cutoff=0)
    return f"; {hint}" if hint else ""


def cache_dir() -> Path:
    """`$HUNMIN_CACHE`, else hunmin/ in `$XDG_CACHE_HOME`, else in ~/.cache."""
    if own := os.environ.get("HUNMIN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hunmin"


def converted(gguf: Path) -> Path:
    """The transformers folder of a GGUF file, made if the cache does not hold it whole.

    Raises:
        InputError: the file is not a whole GGUF, holds no tokenizer, or transformers cannot convert it; or
            the packages that read it are not installed.
        EnvironmentFailure: the cache lacks a sound folder and cannot be written.
    """
    stat = gguf.stat()
    return _converted(gguf.resolve(), stat.st_size, stat.st_mtime_ns, cache_dir() / "gguf")


@lru_cache(maxsize=8)  # a run asks several times; a file is hashed and its folder verified once a process
def _converted(gguf: Path, size: int, mtime_ns: int, cache: Path) -> Path:
    sha256 = sha256_file(gguf)
    folder = cache / f"{sha256}-v{CONVERTER_VERSION}"
    if _is_sound(folder, gguf_sha256=sha256):  # without a lock: a shared cache may be read-only
        return folder
    with _alone(folder.with_suffix(".lock")):
        if folder.is_dir():
            if _is_sound(folder, gguf_sha256=sha256):  # another process was first
                return folder
            say(f"model: {folder} is damaged; it is made again")
        say(f"model: converting {gguf.name} ({size / 1e6:,.0f} MB) to safetensors in {folder}, once")
        with whole_folder(folder) as partial:
            partial.mkdir()
            _convert(gguf, partial)
            _seal(partial, gguf_sha256=sha256)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the others wait. A dead owner's lock is the kernel's to release.

    Raises:
        EnvironmentFailure: the lock's folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        opened = lock.open("w")
    except OSError as error:
        raise EnvironmentFailure(
            f"{lock.parent}: a converted model is to be kept there, but it cannot be written "
            f"({error.strerror}); name another folder in HUNMIN_CACHE"
        ) from error
    with opened as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("model: another process converts the same file; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _seal(folder: Path, *, gguf_sha256: str) -> None:
    """Write down what the files are. No place, no time: equal wherever it is done."""
    files = sorted(folder.iterdir())
    mode = (folder / "config.json").stat().st_mode
    for path in files:
        path.chmod(mode)  # weights come readable by their owner alone, but a cache may be shared
    sealed = {path.name: sha256_file(path) for path in files}
    write_json(
        folder / CONVERSION,
        {"gguf_sha256": gguf_sha256, "converter_version": CONVERTER_VERSION, "files": sealed},
    )


def _is_sound(folder: Path, *, gguf_sha256: str) -> bool:
    """Whether the folder is this GGUF's, by this converter, and holds just the files that were sealed."""
    try:
        seal = json.loads((folder / CONVERSION).read_text())
        files = seal["files"]
        origin = (seal["gguf_sha256"], seal["converter_version"])
        if origin != (gguf_sha256, CONVERTER_VERSION) or "config.json" not in files:
            return False
        if {path.name for path in folder.iterdir()} != {*files, CONVERSION}:
            return False
        return all(sha256_file(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _convert(gguf: Path, out: Path) -> None:
    """Write config, weights in fp32, generation config and tokenizer."""
    if importlib.util.find_spec("gguf") is None:
        raise InputError(
            f"{gguf}: to read a GGUF, gguf must be installed; run: make demo (or: pip install gguf)"
        )
    metadata, num_values = _read_header(gguf)
    if "tokenizer.ggml.model" not in metadata or "tokenizer.ggml.tokens" not in metadata:
        raise InputError(f"{gguf}: there is no tokenizer in it; take a GGUF of the whole model")
    with redirect_stderr(io.StringIO()):  # bars of other libraries; errors are raised
        _write_model(gguf, out, architecture=metadata["general.architecture"], num_values=num_values)
        _write_tokenizer(gguf, out, metadata)


def _read_header(gguf: Path) -> tuple[dict[str, Any], int]:
    """The metadata, and how many values the tensors hold in all.

    Raises:
        InputError: not a GGUF, or its end is missing.
    """
    from transformers.integrations.gguf.reader import GgufHeader, read_gguf_metadata

    try:
        metadata, _ = read_gguf_metadata(str(gguf))
        header = GgufHeader.from_file(str(gguf))
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise InputError(f"{gguf}: not a whole GGUF file ({error}); copy or download it again") from error
    needed = header.data_start + max((one.offset + one.nbytes for one in header.tensors), default=0)
    size = gguf.stat().st_size
    if size < needed:
        raise InputError(
            f"{gguf}: cut off: {size:,} bytes, its tensors need {needed:,}; copy or download it again"
        )
    return metadata, sum(math.prod(one.shape) for one in header.tensors)


def _write_model(gguf: Path, out: Path, *, architecture: str, num_values: int) -> None:
    import torch
    from huggingface_hub import save_torch_state_dict
    from transformers import AutoModelForCausalLM, GgufConfig

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            trust_remote_code=False,
        )
    except (ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{gguf}: transformers cannot make a causal language model of the architecture {architecture!r} "
            f"({one_line(error):.200}); name a folder with safetensors in model.path"
        ) from error
    lm, info = loaded
    # Parameters shared by two layers are stored once, under their first name.
    every = {name for name, _ in lm.named_parameters(remove_duplicate=False)}
    shared = every - {name for name, _ in lm.named_parameters()}
    tensors = {name: tensor for name, tensor in lm.state_dict().items() if name not in shared}
    _check_tensors(gguf, tensors, info=info, num_values=num_values)
    save_torch_state_dict(tensors, out)
    lm.config.dtype = torch.float32
    lm.config.architectures = [type(lm).__name__]
    if hasattr(lm.config, "quantization_config"):
        del lm.config.quantization_config
    lm.config.save_pretrained(out)
    lm.generation_config.save_pretrained(out)
    for name in ("config.json", "generation_config.json"):
        _drop_version(out / name)


def _drop_version(path: Path) -> None:
    """Take out which transformers wrote it: the hash of a model must not tell when it was converted."""
    settings = json.loads(path.read_text())
    settings.pop("transformers_version", None)
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def _check_tensors(gguf: Path, tensors: dict[str, Any], *, info: dict[str, Any], num_values: int) -> None:
    """Every weight of the model came from the file, every value of the file is in the model, all are finite.

    Raises:
        InputError: names what is wrong.
    """
    absent = sorted([*info["missing_keys"], *map(str, info["mismatched_keys"])])
    if absent:
        raise InputError(
            f"{gguf}: {len(absent)} weights of the model are not in it, first {absent[0]}; "
            "take a whole GGUF, or a folder with safetensors"
        )
    found = sum(tensor.numel() for tensor in tensors.values())
    if found != num_values:
        raise InputError(
            f"{gguf}: it holds {num_values:,} values, the model that transformers makes of it {found:,}: "
            "some tensors (of scaled positions, for example) would be lost; name a folder with safetensors"
        )
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise InputError(f"{gguf}: {broken[0]} holds values that are not finite; copy or download it again")


def _write_tokenizer(gguf: Path, out: Path, metadata: dict[str, Any]) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise InputError(
            f"{gguf}: transformers cannot convert its tokenizer ({one_line(error):.200}); "
            "name a folder with safetensors in model.path"
        ) from error
    assert isinstance(tokenizer, PreTrainedTokenizerFast), "converted from a GGUF"
    if metadata["tokenizer.ggml.model"] == "gpt2":
        _split_as_trained(tokenizer, metadata.get("tokenizer.ggml.pre"))
    context = metadata.get(f"{metadata['general.architecture']}.context_length")
    tokenizer.model_max_length = context or tokenizer.model_max_length
    tokenizer.save_pretrained(out)
    _drop_added(out, num_tokens=metadata["tokenizer.ggml.tokens"])


def _drop_added(folder: Path, *, num_tokens: int) -> None:
    """Take out tokens that the file does not have: transformers adds GPT-2's <|endoftext|>, whatever the
    vocabulary, and its id would have no embedding.
    """
    path = folder / "tokenizer.json"
    backend = json.loads(path.read_text())
    added = {one["content"] for one in backend["added_tokens"] if one["id"] >= num_tokens}
    if not added:
        return
    backend["added_tokens"] = [one for one in backend["added_tokens"] if one["id"] < num_tokens]
    path.write_text(json.dumps(backend, ensure_ascii=False))
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    for key in [key for key, value in settings.items() if isinstance(value, str) and value in added]:
        del settings[key]
    path.write_text(json.dumps(settings, ensure_ascii=False))


def _split_as_trained(tokenizer: Any, rule: str | None) -> None:
    """Cut texts as this vocabulary's merges were learned; a rule that nobody here knows is said."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if rule in _AS_GPT2 or rule in GGUF_PRE_TOKENIZER_SPLITS:
        return
    if rule in _SINGLE_DIGITS:
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )
        return
    say(f"model: its rule for cutting texts ({rule}) is unknown here; they are cut as for GPT-2")
