"""The `model` and `data` sections of a config, and the base class of every section.

A field tagged `execution()` says how fast or where; every other field says what, and changing it makes
the stage run again (design: artifacts).
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A config section: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def execution(default: Any, **kwargs: Any) -> Any:
    """A field that changes how the work is done, never what comes out."""
    return Field(default, json_schema_extra={"effect": "execution"}, **kwargs)


def content_of(section: BaseModel) -> dict[str, Any]:
    """The section as JSON values without its execution fields: what the result depends on."""
    out: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("effect") == "execution":
            continue
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            out[name] = content_of(value)
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], BaseModel):
            out[name] = [content_of(item) for item in value]
        else:
            out[name] = section.model_dump(mode="json", include={name})[name]
    return out


class FromScratchConfig(Section):
    """A small Llama initialised at random, with a SentencePiece tokenizer trained on the train split."""

    hidden_size: int = Field(256, ge=8)
    num_layers: int = Field(6, ge=1)
    num_heads: int = Field(4, ge=1)
    intermediate_size: int | None = Field(None, ge=8, description="default: 8/3 hidden_size, to 64s")
    vocab_size: int = Field(8000, ge=512, description="an upper bound: a small corpus gives fewer")
    max_position_embeddings: int = Field(8192, ge=8)
    tie_embeddings: bool = True

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.num_heads or (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be an even multiple of num_heads {self.num_heads}"
            )
        return self


class ModelConfig(Section):
    """Which model: `path` or `from_scratch`.

    `path` is a hub id, a local folder, another run's folder, a GGUF file, or package:IMPORT_NAME/FILE.gguf
    for one inside an installed package.
    """

    path: str | None = None
    from_scratch: FromScratchConfig | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.path is None) == (self.from_scratch is None):
            raise ValueError("give exactly one of: path, from_scratch")
        return self


class FilterConfig(Section):
    """Keep a record only if `column` has one of `values` (compared as stripped strings)."""

    column: str
    values: tuple[str, ...] = Field(min_length=1)


class SourceConfig(Section):
    """A source: files, their format, and for tables the mapping to a task.

    `columns` maps our fields (instruction, input, answer, label, rationale) to the file's columns.
    `labels` maps raw label values to answers: exact strings, or inclusive integer ranges "1-4".
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    format: Literal["alpaca", "sharegpt", "vicuna", "messages", "natural_instructions", "table", "parallel"]
    path: str | tuple[str, ...]
    licence: str = "unknown"
    task: str | None = None
    domain: str | None = None
    language: str | None = Field(None, description="of the answers; detected where absent")
    synthetic: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    filters: tuple[FilterConfig, ...] = ()
    family: str | None = Field(None, description="a column or key whose value names the family")
    encoding: str = "utf-8"
    delimiter: str | None = Field(None, description="CSV, TSV: detected from the suffix where absent")
    quoted: bool | None = Field(None, description="fields stand in double quotes; absent: yes for , and ;")
    header: tuple[str, ...] | None = Field(None, description="column names of a table without a header line")
    languages: tuple[str, str] | None = Field(None, description="parallel: of `path` [source, target]")
    directions: Literal["forward", "backward", "both"] = "forward"
    max_records: int | None = Field(None, ge=1, description="read no more records from each file")


class SplitConfig(Section):
    """Shares of the families, drawn by hash: a row stays where it is when the corpus grows."""

    val: float = Field(0.05, ge=0, lt=1)
    heldout: float = Field(0.1, ge=0, lt=1)
    heldout_tasks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.val + self.heldout >= 1:
            raise ValueError(f"val {self.val} + heldout {self.heldout} leave nothing to train on")
        return self


class AugmentConfig(Section):
    """Which variants of a row are drawn in each epoch."""

    wordings: bool = True
    task_prefix: bool = False


class BoundsConfig(Section):
    """Lengths in characters. Label answers are exempt."""

    instruction: tuple[int, int] = (1, 20_000)
    input: tuple[int, int] = (0, 200_000)
    answer: tuple[int, int] = (1, 200_000)


class DataConfig(Section):
    """The `data` section."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    tasks: str | None = Field(None, description="a folder of task files that add to the shipped ones")
    template: str = Field("chat", description="chat: the tokenizer's own; a built-in; or a Jinja file")
    seq_len: int = Field(1024, ge=16)
    epochs: int = Field(1, ge=1)
    too_long: Literal["reject"] = "reject"
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    bounds: BoundsConfig = Field(default_factory=lambda: BoundsConfig.model_validate({}))
    augment: AugmentConfig = Field(default_factory=lambda: AugmentConfig.model_validate({}))
    batch_rows: int = execution(1024, ge=1, description="rows a Ray Data batch holds")

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources have the name {', '.join(twice)}; a name must be unique")
        return self


def resolve_path(path: str, base: Path) -> Path:
    """`path` relative to `base` (the config file's folder), `~` expanded."""
    expanded = Path(path).expanduser()
    return expanded if expanded.is_absolute() else base / expanded


STAGE_VERSION = 1  # raised by hand when the same config and sources give another data/
