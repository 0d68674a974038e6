"""The `model` and `data` sections of a config, and the base class of every section.

A field tagged `execution()` says how fast or where; every other field says what, and changing it makes
the stage run again (design: artifacts).
"""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from data_pipeline.reasons import EMPTY_ANSWER, SWITCHABLE
from hunmin.language.codes import Language
from hunmin.registry import members
from hunmin.safety.config import SafetyConfig
from hunmin.section import Section, execution


class FilterConfig(Section):
    """Keep a record only if `column` has one of `values` (compared as stripped strings)."""

    column: str
    values: tuple[str, ...] = Field(min_length=1)


# Every module of sources/formats is a format: listed, not imported, for they import this file.
FORMATS = members(Path(__file__).parent / "sources" / "formats")
if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[FORMATS]


class SourceConfig(Section):
    r"""A source: files, their format, and for tables the mapping to a task.

    `columns` maps our fields (instruction, input, answer, label, rationale) to the file's columns: a name, a
    dotted path into nested values (instances.0.input), or a text with columns in braces
    ("{premise}\n{hypothesis}"); a text without any begins with = ("=Translate this.").
    `labels` maps raw label values to answers: exact strings, or inclusive integer ranges "1-4".
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    format: FormatName
    path: str | tuple[str, ...]
    licence: str = "unknown"
    weight: float = Field(1.0, gt=0, description="share in the mix, times its number of rows; see data.mix")
    epochs: float | None = Field(None, gt=0, description="passes over it in an epoch; absent: data.mix")
    max_rows: int | None = Field(None, ge=1, description="train on no more rows of it in an epoch")
    safety: Literal["drop", "flag", "keep"] | None = Field(None, description="absent: data.safety.action")
    attests: tuple[str, ...] = Field((), description="what it says of every answer: domain:news")
    task: str | None = None
    domain: str | None = None
    language: Language | None = Field(None, description="of the answers; detected where absent")
    synthetic: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    filters: tuple[FilterConfig, ...] = ()
    family: str | None = Field(None, description="a column or key whose value names the family")
    each: str | None = Field(None, description="a key with a list: each of its items is a row of the record")
    templates: str | None = Field(None, description="promptsource templates (YAML) that write the rows")
    template_names: tuple[str, ...] = Field((), description="names, globs; absent: of the original task")
    threads: Literal["best", "all"] = Field("best", description="oasst: which paths through a tree are rows")
    encoding: str = "utf-8"
    delimiter: str | None = Field(None, description="CSV, TSV: detected from the suffix where absent")
    quoted: bool | None = Field(None, description="fields stand in double quotes; absent: yes for , and ;")
    header: tuple[str, ...] | None = Field(None, description="column names of a table without a header line")
    languages: tuple[Language, Language] | None = Field(
        None, description="parallel, gettext: [source, target]"
    )
    directions: Literal["forward", "backward", "both"] = "forward"
    subset: str | None = Field(None, description="hub: which configuration of the data set")
    hub_split: str = Field("train", description="hub: which of its splits")
    max_records: int | None = Field(None, ge=1, description="read no more records from each file")

    @model_validator(mode="after")
    def _weight_is_of_the_share(self) -> Self:
        if self.epochs is not None and "weight" in self.model_fields_set and self.weight != 1.0:
            raise ValueError(
                f"weight {self.weight:g} stands beside epochs {self.epochs:g}, which already say how many of "
                "its rows an epoch takes; remove one of them"
            )
        return self


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


ROLE_NAMES = ("expert", "teacher", "assistant", "creative")  # texts in variants/roles.py


class AugmentConfig(Section):
    """Which variants of a row are drawn in each epoch, each a function of (seed, row, epoch)."""

    wordings: bool = Field(True, description="draw a wording of the task anew in each epoch")
    rewordings: float = Field(
        0.5, ge=0, le=1, strict=True, description="share of own instructions that are reworded"
    )
    task_prefix: bool = False
    role: float = Field(
        0.0, ge=0, le=1, strict=True, description="share of rows that get a role as system message"
    )
    roles: tuple[str, ...] = Field(
        ("expert", "teacher", "assistant", "creative"),
        min_length=1,
        description="names of shipped roles; any other entry is the text of a role itself",
    )
    few_shot: float = Field(
        0.0, ge=0, le=1, strict=True, description="share of rows that get examples of their task"
    )
    few_shot_k: tuple[int, int] = Field((1, 3), description="examples: from, to")
    chain_of_thought: bool = Field(False, description="answer after the steps, where the row has a rationale")
    materialize: Literal["epochs", "all"] = Field(
        "epochs", description="all: every true variant of a row stands in every epoch, nothing is drawn"
    )

    @field_validator("roles")
    @classmethod
    def _roles_are_names_or_texts(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        """One word that is no shipped role is a misspelt name, not a text."""
        for role in roles:
            if role not in ROLE_NAMES and len(role.split()) < 2:
                names = ", ".join(ROLE_NAMES)
                raise ValueError(f"{role!r} is no role; roles are {names}, or a text of your own")
        return roles

    @field_validator("few_shot_k")
    @classmethod
    def _few_shot_k_is_a_range(cls, k: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= k[0] <= k[1]:
            raise ValueError(f"few_shot_k is from, to with 1 <= from <= to, not {k[0]}, {k[1]}")
        return k


def _ascending(value: tuple[int, int]) -> tuple[int, int]:
    low, high = value
    if not 0 <= low <= high:
        raise ValueError(f"[{low}, {high}] is no range of lengths; give [fewest, most], such as [5, 200]")
    return value


Lengths = Annotated[tuple[int, int], AfterValidator(_ascending)]


class TextBounds(Section):
    """Ranges [fewest, most], both allowed, of characters: of the bare wording, the input and the answer."""

    instruction: Lengths | None = None
    input: Lengths | None = None
    answer: Lengths | None = None


class BoundsConfig(TextBounds):
    """Lengths in characters of the bare wording, the input and the answer. Label answers are exempt.

    A range given here wins over the task's own `bounds`, and that over the profile: `instruction_data`
    (wordings of 5 to 200, answers of 3 to 2000), `sft` (answers of 10 to 1000), or `default`, which refuses
    the absurd only.
    """

    profile: Literal["default", "instruction_data", "sft"] = "default"


class ValidateConfig(Section):
    """Which checks of a row are made: all but those named in `skip`; docs/reasons.md lists them.

    (YAML would read a key `off` as false.)
    """

    skip: tuple[str, ...] = Field((), description="reason codes that are not checked")

    @field_validator("skip")
    @classmethod
    def _known_checks(cls, skip: tuple[str, ...]) -> tuple[str, ...]:
        for name in skip:
            if name == EMPTY_ANSWER:
                raise ValueError(f"{name} is always checked: without an answer there is nothing to train")
            if name not in SWITCHABLE:
                close = difflib.get_close_matches(name, SWITCHABLE, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise ValueError(f"{name!r} is no check of rows; {hint}Checks: {', '.join(SWITCHABLE)}")
        return skip


class DedupConfig(Section):
    """Which rows are one row too many. Variants inside a family are never near duplicates of each other."""

    exact: bool = True
    near: bool = True
    threshold: float = Field(0.8, gt=0, le=1, description="Jaccard similarity of character shingles")


class CurriculumStage(Section):
    """Some epochs, and the tasks that take part in them: a share of each task's rows; others have none."""

    epochs: int = Field(1, ge=1)
    tasks: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)


class MixConfig(Section):
    """How many rows of each source an epoch holds (variants/mix.py says exactly how).

    Share of a source before caps: weight * rows ** (1 / temperature). 1.0 is proportional to its rows.
    """

    temperature: float = Field(1.0, ge=1, description="above 1 evens the sources out")
    rows: int | None = Field(
        None,
        ge=1,
        description="rows in an epoch, those of sources with `epochs` included; absent: as many as there are",
    )
    curriculum: tuple[CurriculumStage, ...] = Field(
        default=(), description="which tasks take part in which epochs; absent: all in all"
    )


class DataConfig(Section):
    """The `data` section."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    tasks: str | None = Field(None, description="a folder of task files that add to the shipped ones")
    template: str = Field("chat", description="chat: the tokenizer's own; a built-in; or a Jinja file")
    seq_len: int = Field(1024, ge=16)
    epochs: int = Field(1, ge=1)
    too_long: Literal["reject", "shorten_input"] = Field(
        "reject",
        description="shorten_input: oldest exchanges, then the end of the input; answers stay whole",
    )
    same_prompt: Literal["keep_all", "first", "majority", "reject"] = Field(
        "keep_all", description="what becomes of one prompt with several answers"
    )
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    bounds: BoundsConfig = Field(default_factory=lambda: BoundsConfig.model_validate({}))
    validation: ValidateConfig = Field(default_factory=lambda: ValidateConfig.model_validate({}))
    safety: SafetyConfig = Field(default_factory=lambda: SafetyConfig.model_validate({}))
    dedup: DedupConfig = Field(default_factory=lambda: DedupConfig.model_validate({}))
    allow_contamination: str | None = Field(None, min_length=1, description="the reason, for every report")
    augment: AugmentConfig = Field(default_factory=lambda: AugmentConfig.model_validate({}))
    mix: MixConfig = Field(default_factory=lambda: MixConfig.model_validate({}))
    memory_mb: int = execution(
        256, ge=192, description="of the joins over all rows; beyond it they spill to disk"
    )
    part_rows: int = execution(20_000, ge=1, description="rows between two files of the work in progress")

    @model_validator(mode="after")
    def _curriculum_fills_the_epochs(self) -> Self:
        staged = sum(stage.epochs for stage in self.mix.curriculum)
        if staged and staged != self.epochs:
            raise ValueError(
                f"mix.curriculum has stages for {staged} epochs, and epochs is {self.epochs}; make them equal"
            )
        return self

    @model_validator(mode="after")
    def _rows_are_shared_by_some(self) -> Self:
        if self.mix.rows is not None and all(source.epochs is not None for source in self.sources):
            raise ValueError(
                f"mix.rows is {self.mix.rows}, and every source has epochs, which say how many rows an epoch "
                "holds; remove mix.rows, or the epochs of a source"
            )
        return self

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources have the name {', '.join(twice)}; a name must be unique")
        return self


STAGE_VERSION = 3  # raised by hand when the same config and sources give another data/
