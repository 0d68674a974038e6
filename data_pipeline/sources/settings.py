"""Which settings of a source each format reads. A setting that would not be read is refused."""

from data_pipeline.config import FORMATS, JoinConfig, SourceConfig
from data_pipeline.sources.files.text_files import require_text_encoding
from data_pipeline.sources.formats import format_of
from hunmin.errors import ConfigError
from hunmin.url_secrets import filled

HUB_SPLIT = SourceConfig.model_fields["hub_split"].default
HUB = "hub:"  # of a path: a data set of the hub, or a folder in the layout that `datasets` reads

_HUB_SETTINGS = ("subset", "hub_split")


def check_settings(source: SourceConfig, *, index: int) -> None:
    """Refuse what the format does not read, and mappings that cannot give a row.

    Raises:
        ConfigError: with the dotted path of the setting.
    """
    where = f"data.sources[{index}] ({source.name})"
    ours = format_of(source.format)
    read_by = {name: format_of(name).settings for name in FORMATS}
    for name in sorted(set().union(*read_by.values())):
        default = SourceConfig.model_fields[name].get_default(call_default_factory=True)
        if name in ours.settings or getattr(source, name) == default:
            continue
        readers = ", ".join(form for form, read in read_by.items() if name in read)
        raise ConfigError(
            f"{where}: {name} has no meaning for format {source.format}; it is read by {readers}"
        )
    try:
        require_text_encoding(source.encoding)
    except LookupError:
        raise ConfigError(
            f"{where}: encoding {source.encoding} is unknown; known are utf-8, cp949, utf-16 and others"
        ) from None
    if source.directions == "both" and source.language and not source.languages:
        raise ConfigError(
            f"{where}: language is one, the directions are two; set languages: [source, target]"
        )
    _check_place(source, where)
    ours.check(source, where)


def paths_of(source: SourceConfig | JoinConfig) -> tuple[str, ...]:
    """The paths as written."""
    return (source.path,) if isinstance(source.path, str) else source.path


def is_url(path: str) -> bool:
    """Whether a path, as written, names a place that fsspec fetches from."""
    return "://" in filled(path)


def _check_place(source: SourceConfig, where: str) -> None:
    """Whether the format and the settings fit where the files are."""
    ours = format_of(source.format)
    hub = [path for path in paths_of(source) if path.startswith(HUB)]
    if hub and not ours.from_hub:
        raise ConfigError(f"{where}: format {source.format} is not read from the hub; name files, or a table")
    if len(ours.sides) > 1 and any(is_url(path) for path in paths_of(source)):
        raise ConfigError(f"{where}: {source.format} text is read from this machine; copy the files here")
    for name in _HUB_SETTINGS:
        if not hub and getattr(source, name) != SourceConfig.model_fields[name].default:
            raise ConfigError(f"{where}: {name} is of a data set of the hub; no path begins with {HUB}")
