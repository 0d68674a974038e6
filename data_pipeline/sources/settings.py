"""Which settings of a source each format reads. A setting that would not be read is refused."""

from difflib import get_close_matches

from data_pipeline.config import SourceConfig
from hunmin.errors import ConfigError

FIELDS = ("instruction", "input", "answer", "label", "rationale")
ALPACA_COLUMNS = {"instruction": "instruction", "input": "input", "answer": "output"}

HUB_SPLIT = SourceConfig.model_fields["hub_split"].default
HUB = "hub:"  # of a path: a data set of the hub, or a folder in the layout that `datasets` reads

_RECORDS = {"filters", "family"}  # formats whose records have named values
_READ = {
    "alpaca": _RECORDS | {"columns", "labels", "each"},
    "sharegpt": _RECORDS,
    "vicuna": _RECORDS,
    "messages": _RECORDS,
    "oasst": _RECORDS | {"threads"},
    "prompt_completion": _RECORDS | {"columns"},
    "natural_instructions": _RECORDS | {"labels"},
    "table": _RECORDS
    | {"columns", "labels", "each", "templates", "template_names", "delimiter", "quoted", "header"},
    "parallel": {"languages", "directions"},
    "gettext": {"languages", "directions"},
}
_HUB_SETTINGS = ("subset", "hub_split")
_NOT_FROM_HUB = ("parallel", "gettext", "natural_instructions")
_OPTIONAL = sorted(set().union(*_READ.values()))


def columns_of(source: SourceConfig) -> dict[str, str]:
    """Our field -> the file's column or key, defaults of the format included."""
    if source.format == "alpaca":
        renamed = dict(source.columns)
        if "output" in renamed:  # Alpaca's own word for the answer
            renamed["answer"] = renamed.pop("output")
        return ALPACA_COLUMNS | renamed
    return dict(source.columns)


def check_settings(source: SourceConfig, *, index: int) -> None:
    """Refuse what the format does not read, and mappings that cannot give a row.

    Raises:
        ConfigError: with the dotted path of the setting.

    """
    where = f"data.sources[{index}] ({source.name})"
    for name in _OPTIONAL:
        default = SourceConfig.model_fields[name].get_default(call_default_factory=True)
        if name in _READ[source.format] or getattr(source, name) == default:
            continue
        readers = ", ".join(sorted(form for form, read in _READ.items() if name in read))
        raise ConfigError(
            f"{where}: {name} has no meaning for format {source.format}; it is read by {readers}"
        )
    try:
        "".encode(source.encoding)
    except LookupError:
        raise ConfigError(
            f"{where}: encoding {source.encoding} is unknown; known are utf-8, cp949, utf-16 and others"
        ) from None
    if source.directions == "both" and source.language and not source.languages:
        raise ConfigError(
            f"{where}: language is one, the directions are two; set languages: [source, target]"
        )
    _check_place(source, where)
    if source.format in ("alpaca", "table", "prompt_completion"):
        _check_columns(source, where)


def paths_of(source: SourceConfig) -> tuple[str, ...]:
    """The paths as written."""
    return (source.path,) if isinstance(source.path, str) else source.path


def _check_place(source: SourceConfig, where: str) -> None:
    """Whether the format and the settings fit where the files are."""
    hub = [path for path in paths_of(source) if path.startswith(HUB)]
    if hub and source.format in _NOT_FROM_HUB:
        raise ConfigError(f"{where}: format {source.format} is not read from the hub; name files, or a table")
    if source.format == "parallel" and any("://" in path for path in paths_of(source)):
        raise ConfigError(f"{where}: parallel text is read from this machine; copy the files here")
    for name in _HUB_SETTINGS:
        if not hub and getattr(source, name) != SourceConfig.model_fields[name].default:
            raise ConfigError(f"{where}: {name} is of a data set of the hub; no path begins with {HUB}")


def _check_columns(source: SourceConfig, where: str) -> None:
    columns = columns_of(source)
    if source.templates is not None:
        return _check_templates(source, where)
    if source.template_names:
        raise ConfigError(f"{where}: template_names chooses among templates; set templates: FILE.yaml")
    fields = ("instruction", "answer") if source.format == "prompt_completion" else FIELDS
    for field in columns:
        if field not in fields:
            near = get_close_matches(field, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(fields)}"
            raise ConfigError(f"{where}: columns.{field} is unknown; {hint}")
    if source.format == "prompt_completion":
        return None
    if not {"answer", "label"} & columns.keys():
        raise ConfigError(f"{where}: columns names no answer; add answer: COLUMN, or label: COLUMN")
    if not {"instruction", "input"} & columns.keys():
        raise ConfigError(
            f"{where}: columns names nothing to answer; add input: COLUMN or instruction: COLUMN"
        )
    return None


def _check_templates(source: SourceConfig, where: str) -> None:
    """Templates write prompt and answer by themselves: `columns` only renames what they read."""
    if source.each is not None:
        raise ConfigError(f"{where}: each and templates exclude each other; templates read whole records")
    if source.labels and "label" not in source.columns:
        raise ConfigError(f"{where}: labels maps the templates' label; add columns: {{label: COLUMN}}")
