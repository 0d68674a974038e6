"""Where `model.path` leads: a local folder, another run's export, a GGUF file, or a snapshot of the hub."""

from pathlib import Path

from hunmin.errors import EnvironmentFailure, InputError, one_line
from hunmin.hashing import sha256_file, sha256_json
from hunmin.models.gguf import converted, gguf_file, names_gguf
from hunmin.models.hub_download import NotOnHubError, download
from hunmin.progress import Heartbeat, no_heartbeat
from hunmin.section import resolve_path

TOKENIZER_FILES = ("*.json", "*.jinja", "additional_chat_templates/*.jinja", "*.model", "*.txt")
MODEL_FILES = (*TOKENIZER_FILES, "*.safetensors")
LINEAGE = "hunmin.json"  # in an export: the run that made it, and those before


def local_model(path: str, base: Path) -> Path | None:
    """The local folder that `path` means, seen from `base`, or None.

    Of a run it is the export; of a GGUF file what it was converted to, which happens here the first time.

    Raises:
        InputError: `path` names a GGUF file, and it is not there or cannot be converted.
    """
    if names_gguf(path):
        return converted(gguf_file(path, base=base))
    folder = resolve_path(path, base)
    export = folder / "train" / "export"
    if (export / "config.json").exists():
        return export
    return folder if folder.is_dir() else None


def locate_model(path: str, *, base: Path, weights: bool = True, alive: Heartbeat = no_heartbeat) -> Path:
    """The folder of a model, fetched from the hub where it is a hub id; not its `weights`, where false.

    `alive` is called while weights come.

    Raises:
        InputError: neither a folder nor a model of the hub, or a GGUF that cannot be used.
        EnvironmentFailure: the hub cannot be reached.
    """
    folder = local_model(path, base)
    if folder is not None:
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        if weights:
            return download(path, patterns=MODEL_FILES, alive=alive)
        return Path(snapshot_download(path, allow_patterns=list(TOKENIZER_FILES)))
    except (HFValidationError, NotOnHubError, RepositoryNotFoundError) as error:
        raise InputError(
            f"model.path {path}: neither a folder ({resolve_path(path, base)}) nor a model of the hub"
        ) from error
    except OSError as error:  # of the network, the hub, the disk
        raise EnvironmentFailure(
            f"model.path {path}: no folder here, and the hub does not give it "
            f"({one_line(error)}); try again, or name a local folder"
        ) from error


def hub_identity(path: str, *, base: Path) -> str:
    """A hub id and the commit it stands at now: the hub's main may move between two stages.

    Raises:
        as `locate_model`.
    """
    return (
        f"hub:{path}@{locate_model(path, base=base, weights=False).name}"  # a snapshot is named by its commit
    )


def model_sha256(path: str, *, base: Path) -> str:
    """What the initial weights are: a hash of a folder's configuration and weights, or the hub id and commit.

    Raises:
        as `locate_model`.
    """
    folder = local_model(path, base)
    if folder is None:
        return hub_identity(path, base=base)
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return sha256_json({file.name: sha256_file(file) for file in files if file.is_file()})
