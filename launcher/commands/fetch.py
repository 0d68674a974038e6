"""Everything a config needs, in one folder that runs without a network: for compute nodes that have none.

DIR/config.yaml      complete; its paths are relative to itself, so the folder may be moved
DIR/model/           a transformers folder: a hub snapshot, a copy, or a converted GGUF
DIR/tokenizer/       where the config names another model's
DIR/corpus/SOURCE/   the files of each source, under the names that its rows will carry
DIR/tasks/, DIR/template/, DIR/classifier/   where the config names some of its own
DIR/fetched.json     what was brought, with sha256; written last
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.build.inputs import check_sources, inputs_sha256
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.sources import Unit, expand
from data_pipeline.sources.formats import format_of
from data_pipeline.sources.settings import HUB_SPLIT
from hunmin.artifact import write_atomic, write_json
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.hashing import sha256_file
from hunmin.models.chat_templates import BUILT_IN
from hunmin.models.config import ModelConfig
from hunmin.models.folder import LINEAGE, MODEL_FILES, TOKENIZER_FILES, locate_model, model_sha256
from hunmin.progress import progress, say
from hunmin.section import resolve_path
from launcher.config import RunConfig, load, resolved

RECORD = "fetched.json"
_CHUNK_BYTES = 1 << 22
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Item:
    """A file to bring."""

    group: str  # what it belongs to, for the user
    source: Path
    target: str  # relative to the folder


def fetch(config_path: Path, overrides: list[str], *, to: Path | None) -> Path:
    """Bring model and data of a config into a folder (default: fetched/NAME); the config there.

    Called again, it only brings what is missing.

    Raises:
        InputError: the config is wrong, or the folder holds what no fetch made.
        EnvironmentFailure: the hub or the disk failed; what was brought stays.
    """
    config, base = load(config_path, overrides)
    check_sources(config.data, base=base)
    folder = (to or Path("fetched") / config.name).resolve()
    before = _open(folder)
    model = None if config.model.path is None else locate_model(config.model.path, base=base)
    items = [
        *_model_items(model),
        *_tokenizer_items(config.model, base),
        *_source_items(config.data, base),
        *_settings_items(config.data, base),
    ]
    _drop_stale(folder, before, keep={item.target for item in items})
    files = _bring(items, folder)
    brought = folder / "config.yaml"
    write_atomic(brought, resolved(_moved(config, base), base=folder, run_dir=folder).encode())
    _compare(config, base, model, brought)
    write_json(folder / RECORD, {"config": config.name, "model": _origin(config, model), "files": files})
    total = sum(entry["bytes"] for entry in files.values())
    say(f"fetch: {len(files)} files, {_size(total)}, checked by sha256; run: hunmin run {brought}")
    return brought


def _open(folder: Path) -> dict[str, dict]:
    """The files that an earlier fetch brought here, by path; {} in a new or empty folder.

    Raises:
        InputError: something else is there.
    """
    started, done = folder / f".{RECORD}", folder / RECORD
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; name one with --to")
    if folder.exists() and any(folder.iterdir()) and not (started.exists() or done.exists()):
        raise InputError(f"{folder} holds files that no fetch made; name a new or empty folder with --to")
    folder.mkdir(parents=True, exist_ok=True)
    started.touch()
    try:
        return json.loads(done.read_text())["files"]
    except (FileNotFoundError, ValueError, KeyError):
        return {}


def _model_items(model: Path | None) -> Iterator[Item]:
    if model is None:
        return
    _check_weights(model)
    for path in sorted({path for pattern in MODEL_FILES for path in model.glob(pattern)}):
        yield Item("model", path, f"model/{path.name}")


def _tokenizer_items(model: ModelConfig, base: Path) -> Iterator[Item]:
    """Another model's tokenizer, and no weights of that.

    Raises:
        InputError: there is none.
    """
    if model.tokenizer is None:
        return
    folder = locate_model(model.tokenizer, base=base, weights=False)
    found = {path for pattern in TOKENIZER_FILES for path in folder.glob(pattern) if path.name != LINEAGE}
    if not found & {folder / "tokenizer.json", folder / "tokenizer.model"}:
        raise InputError(f"model.tokenizer: {folder} has no tokenizer.json; name a model's folder or hub id")
    for path in sorted(found):
        yield Item("tokenizer", path, f"tokenizer/{path.relative_to(folder).as_posix()}")


def _check_weights(model: Path) -> None:
    """The trainer reads safetensors alone; a folder without them, or without one part, would stop it later.

    Raises:
        InputError: says what is missing.
    """
    found = {path.name for path in model.glob("*.safetensors") if path.is_file()}
    if not found or not (model / "config.json").is_file():
        raise InputError(
            f"model.path: {model} needs config.json and *.safetensors (or name a .gguf file); convert the "
            "model once with AutoModelForCausalLM.from_pretrained(...).save_pretrained(...)"
        )
    index = model / "model.safetensors.index.json"
    if not index.is_file():
        return
    try:
        named = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index}: not an index of weights ({error!r}); download the model again") from error
    if absent := sorted(named - found):
        raise InputError(
            f"model.path: {model} lacks {len(absent)} of {len(named)} weight files, first {absent[0]}; "
            "download the model again"
        )


def _source_items(config: DataConfig, base: Path) -> Iterator[Item]:
    """Files under the names that stand in row ids; of parallel sources, a folder for each side.

    Raises:
        InputError: two files of a source would get one name.
    """
    taken: dict[str, Path] = {}
    for index, source in enumerate(config.sources):
        units = expand(source, index=index, base=base)
        for target, path in _joined(source, units[0]).items():
            yield Item(source.name, Path(path), target)
        for unit in units:
            for side, path in zip(_sides(source), unit.paths, strict=True):
                target = f"corpus/{source.name}/{side}{unit.file}"
                if target in taken:
                    raise InputError(
                        f"source {source.name}: {taken[target]} and {path} have one name; rename one of them"
                    )
                taken[target] = Path(path)
                yield Item(source.name, Path(path), target)


def _sides(source: SourceConfig) -> tuple[str, ...]:
    return tuple(f"{side}/" if side else "" for side in format_of(source.format).sides)


def _joined(source: SourceConfig, unit: Unit) -> dict[str, str]:
    """Place in the folder -> file of those that are joined: numbered, for they keep their order."""
    return {
        f"joined/{source.name}/{number:05d}-{os.path.basename(path)}": path
        for number, path in enumerate(unit.joined)
    }


def _settings_items(config: DataConfig, base: Path) -> Iterator[Item]:
    for source in config.sources:
        if source.templates is not None:
            yield Item(source.name, resolve_path(source.templates, base), f"templates/{source.name}.yaml")
    if config.tasks:
        for path in sorted(resolve_path(config.tasks, base).glob("*.yaml")):
            yield Item("tasks", path, f"tasks/{path.name}")
    if config.safety.classifier:
        for path in sorted(resolve_path(config.safety.classifier, base).glob("*.*")):
            yield Item("classifier", path, f"classifier/{path.name}")
    if (template := _template_file(config, base)) is not None:
        yield Item("template", template, f"template/{template.name}")


def _template_file(config: DataConfig, base: Path) -> Path | None:
    own = config.template not in BUILT_IN and config.template != "chat"
    return resolve_path(config.template, base) if own else None


def _moved(config: RunConfig, base: Path) -> RunConfig:
    """The config with every path inside the folder."""
    sources = []
    for source in config.data.sources:
        folders = tuple(f"corpus/{source.name}/{side}".rstrip("/") for side in _sides(source))
        path = folders[0] if len(folders) == 1 else folders
        templates = None if source.templates is None else f"templates/{source.name}.yaml"
        # What came from the hub lies here as files, which have no subset or split.
        moved = {"path": path, "templates": templates, "subset": None, "hub_split": HUB_SPLIT}
        if source.join is not None:
            moved["join"] = source.join.model_copy(update={"path": f"joined/{source.name}"})
        sources.append(source.model_copy(update=moved))
    template, safety = _template_file(config.data, base), config.data.safety
    data = config.data.model_copy(
        update={
            "sources": tuple(sources),
            "tasks": "tasks" if config.data.tasks else None,
            "safety": safety
            if safety.classifier is None
            else safety.model_copy(update={"classifier": "classifier"}),
            "template": config.data.template if template is None else f"template/{template.name}",
        }
    )
    here = {"path": config.model.path and "model", "tokenizer": config.model.tokenizer and "tokenizer"}
    model = config.model.model_copy(update=here)
    return config.model_copy(update={"data": data, "model": model, "base": "."})


def _drop_stale(folder: Path, before: dict[str, dict], *, keep: set[str]) -> None:
    """Remove what an earlier fetch brought and the config no longer names."""
    for target in before.keys() - keep:
        (folder / target).unlink(missing_ok=True)
        say(f"fetch: removed {target}, which the config no longer names")


def _bring(items: list[Item], folder: Path) -> dict[str, dict]:
    """Copy what is not there yet; {target: {bytes, sha256}} of all files."""
    files: dict[str, dict] = {}
    for group in dict.fromkeys(item.group for item in items):
        own = [item for item in items if item.group == group]
        total = sum(item.source.stat().st_size for item in own)
        copied = 0
        with progress(f"fetch: {group}", len(own)) as ticker:
            for item in own:
                entry = _present(item, folder)
                if entry is None:
                    entry = _copy(item, folder)
                    copied += 1
                files[item.target] = entry
                ticker.advance()
        say(f"fetch: {group}: {len(own)} file(s), {_size(total)}; {copied} copied, {len(own) - copied} there")
    return dict(sorted(files.items()))


def _present(item: Item, folder: Path) -> dict | None:
    """The entry of a file that is there with the source's content, else None."""
    path = folder / item.target
    if not path.is_file() or path.stat().st_size != item.source.stat().st_size:
        return None
    found = sha256_file(path)
    if found != sha256_file(item.source):
        return None
    return {"bytes": path.stat().st_size, "sha256": found}


def _copy(item: Item, folder: Path) -> dict:
    """Copy whole or not at all, hashed on the way and read back.

    Raises:
        EnvironmentFailure: what arrived is not what was read, or not what the hub's cache says it is.
    """
    target = folder / item.target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    digest = hashlib.sha256()
    with item.source.open("rb") as reader, partial.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    sha256 = digest.hexdigest()
    if sha256_file(partial) != sha256 or _blob_sha256(item.source) not in (None, sha256):
        partial.unlink()
        raise EnvironmentFailure(
            f"{item.source}: arrived damaged in {target}; delete it there and fetch again"
        )
    shutil.copymode(item.source, partial)
    partial.replace(target)
    return {"bytes": target.stat().st_size, "sha256": sha256}


def _blob_sha256(source: Path) -> str | None:
    """What a file must be, where the hub's cache tells: a large file is a link to blobs/ plus its sha256."""
    blob = source.resolve()
    told = source.is_symlink() and blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name)
    return blob.name if told else None


def _compare(config: RunConfig, base: Path, model: Path | None, brought: Path) -> None:
    """The folder alone must give the inputs that the config gives where it stands.

    Raises:
        InputError: it does not: a file lies in the folder that no fetch brought.
    """
    moved, folder = load(brought, [])
    here = config.model if model is None else config.model.model_copy(update={"path": str(model)})
    same = inputs_sha256(config.data, here, base=base) == inputs_sha256(moved.data, moved.model, base=folder)
    if model is not None:
        same = same and model_sha256(str(model), base=base) == model_sha256("model", base=folder)
    if not same:
        raise InputError(
            f"{folder}: corpus/, model/ or tasks/ holds files that the config does not name; "
            "delete them, or name another folder with --to"
        )


def _origin(config: RunConfig, model: Path | None) -> dict[str, str] | None:
    """Where the model came from; of a hub model the revision is its snapshot's name."""
    if model is None or config.model.path is None:
        return None
    hub = {"revision": model.name} if model.parent.name == "snapshots" else {}
    return {"path": config.model.path, **hub}


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:,.1f} kB"
