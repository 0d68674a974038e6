"""Files that lie elsewhere, brought to this machine: data sets of the hub, and fsspec URLs.

What is read is always a local file, so that it can be hashed, checked and read again without a network.
"""

import os
import re
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path, PurePosixPath

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import content_key
from data_pipeline.sources.files.text_files import MAX_UNPACKED_RATIO, is_bomb, packing_of, refuse_bomb
from data_pipeline.sources.settings import HUB
from hunmin.artifact import open_as_usual
from hunmin.errors import EnvironmentFailure, InputError, one_line
from hunmin.models.gguf import cache_dir
from hunmin.section import resolve_path
from hunmin.url_secrets import MASK, concealed, filled, masked

_SPLIT = re.compile(r"[A-Za-z0-9_.-]+")


def hub_files(path: str, source: SourceConfig, *, base: Path) -> dict[str, str]:
    """Name -> local Arrow file of a split of a data set, fetched and converted by `datasets`.

    Args:
        path: hub:OWNER/NAME, or hub:FOLDER with a folder in the layout that `datasets` reads.

    Raises:
        InputError: no such data set, subset or split.
        EnvironmentFailure: the hub cannot be reached.
    """
    name = path.removeprefix(HUB)
    folder = resolve_path(name, base)
    if not _SPLIT.fullmatch(source.hub_split):
        raise InputError(
            f"source {source.name}: hub_split {source.hub_split} is no name of a split; for the first "
            "records of one set max_records"
        )
    if folder.is_dir():
        _refuse_packed_bombs(folder, f"source {source.name}: {path}")
        # `datasets` would know a changed folder by its name alone, and give what was there before.
        cache = str(cache_dir() / "datasets" / _state_of(folder))
        files = _load(str(folder), source.subset, source.hub_split, source.name, cache)
    else:
        files = _load(name, source.subset, source.hub_split, source.name, None)
    return {f"{source.hub_split}-{number:05d}.arrow": file for number, file in enumerate(files)}


def _state_of(folder: Path) -> str:
    """Changes when a file of the folder does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return content_key(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]))


@lru_cache(maxsize=64)
def _load(place: str, subset: str | None, split: str, source_name: str, cache: str | None) -> tuple[str, ...]:
    import datasets  # takes seconds, and only this needs it
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

    what = f"source {source_name}: {HUB}{place}"
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(place, subset, split=split, cache_dir=cache)
    except (DatasetNotFoundError, ValueError, RuntimeError) as error:
        if _unreachable(error):
            raise _unreached(what, error) from error
        raise InputError(f"{what}: {one_line(error)}; see subset and hub_split of the source") from error
    except (OSError, ImportError) as error:
        raise _unreached(what, error) from error
    except DatasetGenerationError as error:
        raise InputError(f"{what}: datasets cannot read it ({one_line(error.__cause__ or error)})") from error
    return tuple(str(Path(file["filename"]).resolve()) for file in found.cache_files)  # type: ignore[union-attr]


def _unreachable(error: BaseException) -> bool:
    """Whether the network is at fault: an error of it stands somewhere in the chain."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return any(isinstance(one, (ConnectionError, TimeoutError)) for one in chain)


def _unreached(what: str, error: BaseException) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{what}: the hub does not give it ({one_line(error)}); try again, fetch it once where there is a "
        "network (hunmin fetch), or name a local folder"
    )


def url_files(url: str, source: SourceConfig) -> dict[str, str]:
    """Name -> local copy of what an fsspec URL names: a file, a glob, or a folder.

    Args:
        url: as the config has it; `${NAME}` is filled in here, and nothing that is said or named has it.

    Raises:
        InputError: nothing is there, the protocol is unknown, or a secret was not kept.
        EnvironmentFailure: the place cannot be reached.
    """
    import fsspec

    what = f"source {source.name}: {masked(url)}"
    if MASK in url:
        raise InputError(
            f"{what}: the secret in it is not kept in a run's folder; write ${{NAME}} for it in the config, "
            "and export NAME=…"
        )
    try:
        fs, root = fsspec.core.url_to_fs(filled(url))
        found = sorted(fs.glob(root) if "*" in root else fs.find(root))
        files = [name for name in found if not fs.isdir(name)]
        _refuse_archive_bomb(fs, files, filled(url), what)
        copies = {name: _copied(fs, name) for name in files}
    except InputError:
        raise
    except (ValueError, ImportError) as error:  # an unknown protocol, or one whose package is missing
        raise InputError(f"{what}: {concealed(one_line(error), url)}") from error
    except FileNotFoundError as error:
        raise InputError(f"{what}: nothing is there") from error
    except Exception as error:  # each protocol has errors of its own
        why = concealed(one_line(error), url)
        raise EnvironmentFailure(f"{what}: cannot be fetched ({why}); try again") from error
    if not copies:
        raise InputError(f"{what}: nothing is there")
    folder = os.path.dirname(re.split(r"[*?]", root)[0]) if "*" in root or found == [root] else root
    shown = {concealed(name, url): copy for name, copy in copies.items()}
    top = concealed(folder, url)
    return {PurePosixPath(os.path.relpath(name, top)).as_posix(): copy for name, copy in shown.items()}


def _refuse_archive_bomb(fs, names: list[str], url: str, what: str) -> None:
    """Files in an archive (zip://*.json::https://host/a.zip) unpack to no more than a packed file may.

    Raises:
        InputError: they do.
    """
    import fsspec

    _, chained, archive = url.partition("::")
    if not chained:
        return
    outer, path = fsspec.core.url_to_fs(archive)
    packed = outer.info(path).get("size") or 0
    unpacked = sum(fs.info(name).get("size") or 0 for name in names)
    if is_bomb(packed=packed, unpacked=unpacked):
        raise InputError(
            f"{what}: {len(names)} file(s) of an archive of {packed} bytes unpack to {unpacked}, more than "
            f"{MAX_UNPACKED_RATIO} times as many; if that is meant, unpack it and name the unpacked files"
        )


def _refuse_packed_bombs(folder: Path, what: str) -> None:
    """Packed files of a folder, which `datasets` unpacks whole, are held against the limit before.

    Raises:
        InputError: one unpacks to more.
    """
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if is_bomb(packed=path.stat().st_size, unpacked=unpacked):
                raise InputError(
                    f"{what}: {path.name} unpacks to {unpacked} bytes, more than {MAX_UNPACKED_RATIO} times "
                    "its own; if that is meant, unpack it"
                )
        elif packing_of(str(path)):
            refuse_bomb(str(path))


def _copied(fs, name: str) -> str:
    """A local copy, made anew when the file's size, time or checksum there changes."""
    folder = cache_dir() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    key = content_key(f"{fs.protocol} {name} {fs.ukey(name)}")
    plain = name.split("?")[0] if "://" in name else name  # over HTTP a name is the whole URL
    target = folder / f"{key}-{os.path.basename(plain)}"
    if not target.exists():
        descriptor, partial = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        fs.get_file(name, partial)
        open_as_usual(Path(partial))
        os.replace(partial, target)
    return str(target)
