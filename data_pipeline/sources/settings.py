"""Which settings of a source each format reads. A setting that would not be read is refused."""

from difflib import get_close_matches

from data_pipeline.config import SourceConfig
from data_pipeline.errors import ConfigError

FIELDS = ("instruction", "input", "answer", "label", "rationale")
ALPACA_COLUMNS = {"instruction": "instruction", "input": "input", "answer": "output"}

_RECORDS = {"filters", "family"}  # formats whose records have named values
_READ = {
    "alpaca": _RECORDS | {"columns", "labels"},
    "sharegpt": _RECORDS,
    "vicuna": _RECORDS,
    "messages": _RECORDS,
    "natural_instructions": _RECORDS | {"labels"},
    "table": _RECORDS | {"columns", "labels", "delimiter", "quoted", "header"},
    "parallel": {"languages", "directions"},
}
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
    if source.format in ("alpaca", "table"):
        _check_columns(source, where)


def _check_columns(source: SourceConfig, where: str) -> None:
    columns = columns_of(source)
    for field in columns:
        if field not in FIELDS:
            near = get_close_matches(field, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(FIELDS)}"
            raise ConfigError(f"{where}: columns.{field} is unknown; {hint}")
    if not {"answer", "label"} & columns.keys():
        raise ConfigError(f"{where}: columns names no answer; add answer: COLUMN, or label: COLUMN")
    if not {"instruction", "input"} & columns.keys():
        raise ConfigError(
            f"{where}: columns names nothing to answer; add input: COLUMN or instruction: COLUMN"
        )
