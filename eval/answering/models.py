"""The two models that are compared: where they lie, what they are, and whether they fit the data."""

from pathlib import Path

from transformers import PreTrainedTokenizerFast

from eval.answering.groups import ModelRef
from hunmin.artifact import Manifest
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_file, sha256_json
from hunmin.models.folder import locate_model
from hunmin.models.tokenizer import load_tokenizer

_WEIGHTS_AND_SETTINGS = ("*.safetensors", "*.bin", "*.json")


def model_refs(*, base: str, train_dir: Path, train: Manifest) -> list[ModelRef]:
    """Base and tuned model, in this order; the hashes of the manifest of train/ stand for its files.

    Raises:
        ArtifactError: a folder holds no weights.
        InputError: `base` is neither a folder nor a model of the hub.
        EnvironmentFailure: the hub could not be reached.
    """
    paths = {"base": locate_model(base, base=Path.cwd()).resolve(), "tuned": (train_dir / "export").resolve()}
    return [
        ModelRef(system, str(folder), _model_sha256(folder, train_dir=train_dir.resolve(), train=train))
        for system, folder in paths.items()
    ]


def _model_sha256(folder: Path, *, train_dir: Path, train: Manifest) -> str:
    """Hash of names and bytes of a model's files, wherever the folder lies."""
    if folder.is_relative_to(train_dir):
        prefix = folder.relative_to(train_dir).as_posix() + "/"
        hashes = {entry.path: entry.sha256 for entry in train.files if entry.path.startswith(prefix)}
        hashes = {path.removeprefix(prefix): digest for path, digest in hashes.items()}
    else:
        files = [path for glob in _WEIGHTS_AND_SETTINGS for path in folder.glob(glob)]
        hashes = {path.name: sha256_file(path) for path in files}
    if not any(name.endswith((".safetensors", ".bin")) for name in hashes):
        raise ArtifactError(f"{folder}: no weights (*.safetensors) in it; run again: hunmin train CONFIG")
    return sha256_json(hashes)


def check_tokenizer(export: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Refuse an export that was trained with another tokenizer or template than the held-out rows'.

    Raises:
        ArtifactError: they differ.
    """
    exported = load_tokenizer(export)
    for what, mine, theirs in (
        ("template", tokenizer.chat_template, exported.chat_template),
        ("vocabulary", tokenizer.get_vocab(), exported.get_vocab()),
    ):
        if mine != theirs:
            raise ArtifactError(
                f"{export}: its {what} is not that of data/tokenizer; train again: hunmin train CONFIG"
            )
