"""The `data` section of a config."""

import difflib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_serializer, field_validator, model_validator

from data_pipeline.reasons import EMPTY_ANSWER, SWITCHABLE
from data_pipeline.roles import Role
from hunmin.language.codes import Language
from hunmin.registry import members
from hunmin.safety.config import SafetyConfig
from hunmin.section import FileName, Section, execution, later_content
from hunmin.url_secrets import masked


class FilterConfig(Section):
    """Keep a record only if `column` has one of `values` (compared as stripped strings)."""

    column: str = Field(description="column, or key of a record, that is looked at")
    values: tuple[str, ...] = Field(
        min_length=1, description="values to keep; a record with another value is rejected"
    )


# Every module of sources/formats is a format: listed, not imported, for they import this file.
FORMATS = members(Path(__file__).parent / "sources" / "formats")
if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[FORMATS]


def _without_secrets(path: str | tuple[str, ...]) -> str | list[str]:
    """What is written of a path into run folders, and compared with what they hold."""
    return masked(path) if isinstance(path, str) else [masked(one) for one in path]


class JoinConfig(Section):
    """Other files whose records complete those of a source: each is joined by its id, under one key."""

    path: str | tuple[str, ...] = Field(
        description="files that hold the other records, each id once; written as the path of a source"
    )
    by: str | tuple[str, ...] = Field(  # not called `on`, which YAML would read as true
        min_length=1, description="key, or list of keys, whose values name a record in both files: its id"
    )
    under: str = Field(
        "joined",
        pattern=r"^[^\s.{}=@*]+$",
        description="key that the other record gets in the source's own; columns read `joined.KEY`",
    )

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the id."""
        return (self.by,) if isinstance(self.by, str) else self.by

    @field_serializer("path", when_used="json")
    def _path_without_secrets(self, path: str | tuple[str, ...]) -> str | list[str]:
        return _without_secrets(path)


class SourceConfig(Section):
    r"""A source: files, their format, and for tables the mapping to a task.

    `columns` maps our fields (instruction, input, answer, label, rationale) to the file's columns: a name, a
    dotted path into nested values (instances.0.input), or a text with columns in braces
    ("{premise}\n{hypothesis}"); a text without any begins with = ("=Translate this.").
    `labels` maps raw label values to answers: exact strings, or inclusive integer ranges "1-4". An answer
    with columns in braces ("{choice1}") is the text that they have in the record: of a multiple choice.
    """

    name: FileName = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="name of the source, unique: letters, digits, _ and -; begins the id of each of its rows",
    )
    format: FormatName = Field(
        description="how the files are written and what a record holds; see docs/formats.md"
    )
    path: str | tuple[str, ...] = Field(
        description="files, folders, globs, URLs or `hub:NAME`; or a list of them; `${NAME}`: environment"
    )
    licence: str = Field(default="unknown", description="licence of the texts; recorded with every row")
    weight: float = Field(
        1.0, gt=0, le=1e9, description="factor on the source's part of an epoch; see data.mix"
    )
    epochs: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="times that each epoch goes through its rows; absent: data.mix decides",
    )
    max_rows: int | None = Field(
        None, ge=1, le=10**12, description="rows of it that an epoch trains on at most"
    )
    safety: Literal["drop", "flag", "keep"] | None = Field(
        None, description="its rows with harmful text; keep keeps bias too; absent: as data.safety says"
    )
    attests: tuple[str, ...] = Field(
        (), description="what is true of all its answers, as kind:word (domain:news); see docs/tasks.md"
    )
    task: FileName | None = Field(
        default=None, description="task of its rows; absent: conversation for conversations, else instruction"
    )
    domain: str | None = Field(
        default=None,
        description="what its texts are about, such as news; recorded with every row; absent: the task's",
    )
    language: Language | None = Field(
        None, description="language of its answers, such as ko; absent: seen from each answer's script"
    )
    synthetic: bool = Field(
        default=False, description="whether a model wrote the answers; recorded with every row"
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="the file's column for each of our fields, such as `{input: review, label: stars}`",
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description='answer for each raw label or range of numbers, such as `{"1-4": bad, "5-9": good}`',
    )
    objects: Literal["reject", "json"] = later_content(
        "reject",
        description="mapped values that are objects or lists: reject the row, or write them as JSON text",
    )
    missing: tuple[str, ...] | None = later_content(
        None,
        description="cells that mean no value; absent: nan, #N/A and their like in CSV and TSV, else none",
    )
    filters: tuple[FilterConfig, ...] = ()
    family: str | None = Field(
        None, description="column or key that names the row's family; a family is never split"
    )
    each: str | None = Field(None, description="key that holds a list; each item of it is a row")
    join: JoinConfig | None = later_content(
        None, description="other files with the rest of each record, such as the answers, found by an id"
    )
    templates: str | None = Field(
        None, description="file of promptsource templates (YAML) that write the rows of a table"
    )
    template_names: tuple[str, ...] = Field(
        (), description="names or globs of templates to use; none named: those of the original task"
    )
    roles: dict[str, Role] = later_content(
        {},
        description="conversations: the role of a speaker that we do not know, such as `{상담사: assistant}`",
    )
    turn_keys: dict[str, str] = later_content(
        {},
        description="conversations: the file's key for a part of a turn, such as `{content: text}`",
    )
    join_turns: bool = later_content(
        False,
        description="conversations: join turns of one speaker, and drop a greeting before the first question",
    )
    ignore: tuple[str, ...] = later_content(
        (), description="keys of the file that say nothing of its rows, such as weight: not read, not counted"
    )
    threads: Literal["best", "all"] = Field(
        "best", description="oasst: of a tree of messages, the best-ranked path, or all paths to an answer"
    )
    encoding: str = Field(
        default="utf-8", description="encoding of text files; a byte order mark in the file wins"
    )
    delimiter: str | None = Field(
        None,
        description="table: sign between columns, or tab, comma, semicolon, space; absent: by file suffix",
    )
    quoted: bool | None = Field(
        None, description="table: fields may stand in double quotes; absent: true for comma and semicolon"
    )
    header: tuple[str, ...] | None = Field(
        None, description="table: names of the columns, for a file without a header line"
    )
    languages: tuple[Language, Language] | None = Field(
        None, description="parallel, gettext: languages of the two sides, [source, target]"
    )
    directions: Literal["forward", "backward", "both"] = Field(
        default="forward",
        description="parallel, gettext: translate source to target (forward), target to source, or both",
    )
    subset: str | None = Field(
        None, description="hub: which configuration of the data set; absent: its only or default one"
    )
    hub_split: str = Field("train", description="hub: which split of the data set is read")
    max_records: int | None = Field(
        None, ge=1, le=10**12, description="records that are read from each file at most"
    )

    @field_serializer("path", when_used="json")
    def _path_without_secrets(self, path: str | tuple[str, ...]) -> str | list[str]:
        return _without_secrets(path)

    @property
    def places(self) -> tuple[str, ...]:
        """Every path as written: of its files, and of those that are joined."""
        paths = (self.path,) if self.join is None else (self.path, self.join.path)
        return tuple(one for path in paths for one in ((path,) if isinstance(path, str) else path))

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

    val: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of the families in the validation split, whose loss picks the exported model",
    )
    heldout: float = Field(
        0.1, ge=0, lt=1, description="share of the families in the held-out split, which only eval asks"
    )
    heldout_tasks: tuple[str, ...] = Field(default=(), description="tasks whose rows are all held out")
    heldout_wordings: int = later_content(
        1,
        ge=1,
        le=64,
        description="held-out wordings that a held-out row is laid out in for eval, of every axis first",
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.val + self.heldout >= 1:
            raise ValueError(f"val {self.val} + heldout {self.heldout} leave nothing to train on")
        return self


MAX_EXAMPLES = 100
ROLE_NAMES = ("expert", "teacher", "assistant", "creative")  # texts in augment/personas.py


class AugmentConfig(Section):
    """Which variants of a row are drawn in each epoch, each a function of (seed, row, epoch)."""

    wordings: bool = Field(
        True, description="draw a wording of the task anew in each epoch; false: each row keeps one"
    )
    cross_language: bool = later_content(
        True,
        description="also draw wordings that are in neither the input's nor the answer's language",
    )
    rewordings: float = Field(
        0.5,
        ge=0,
        le=1,
        strict=True,
        description="share of rows with an instruction of their own that have it reworded by rule",
    )
    task_prefix: bool = Field(
        default=False, description="put the task's prefix, if it has one, before each request"
    )
    role: float = Field(
        0.0,
        ge=0,
        le=1,
        strict=True,
        description="share of rows that get a role, such as teacher, as system message",
    )
    roles: tuple[str, ...] = Field(
        ("expert", "teacher", "assistant", "creative"),
        min_length=1,
        description="roles to draw from: names of shipped roles, or texts of two words or more",
    )
    few_shot: float = Field(
        0.0,
        ge=0,
        le=1,
        strict=True,
        description="share of rows that get worked examples of their task as earlier turns",
    )
    few_shot_k: tuple[int, int] = Field(
        (1, 3), description="number of examples that such a row gets, [fewest, most]"
    )
    chain_of_thought: bool = Field(
        False, description="ask for steps and train on them, where the row has a rationale"
    )
    materialize: Literal["epochs", "all"] = Field(
        "epochs",
        description="forms of a row in an epoch: one that is drawn (epochs), or every true one (all)",
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
        if not 1 <= k[0] <= k[1] <= MAX_EXAMPLES:
            raise ValueError(
                f"few_shot_k is from, to with 1 <= from <= to <= {MAX_EXAMPLES}, not {k[0]}, {k[1]}"
            )
        return k


def _ascending(value: tuple[int, int]) -> tuple[int, int]:
    low, high = value
    if not 0 <= low <= high:
        raise ValueError(f"[{low}, {high}] is no range of lengths; give [fewest, most], such as [5, 200]")
    return value


Lengths = Annotated[tuple[int, int], AfterValidator(_ascending)]


class TextBounds(Section):
    """Ranges [fewest, most], both allowed, of characters: of the bare wording, the input and the answer."""

    instruction: Lengths | None = Field(
        default=None, description="characters that an instruction has, [fewest, most]"
    )
    input: Lengths | None = Field(default=None, description="characters that an input has, [fewest, most]")
    answer: Lengths | None = Field(default=None, description="characters that an answer has, [fewest, most]")


class BoundsConfig(TextBounds):
    """Lengths in characters of the bare wording, the input and the answer. Label answers are exempt.

    A range given here wins over the task's own `bounds`, and that over the profile: `instruction_data`
    (wordings of 5 to 200, answers of 3 to 2000), `sft` (answers of 10 to 1000), or `default`, which refuses
    the absurd only.
    """

    profile: Literal["default", "instruction_data", "sft"] = Field(
        default="default", description="ranges for texts that no other range is given for"
    )


class ValidateConfig(Section):
    """Which checks of a row are made: all but those named in `skip`; docs/reasons.md lists them."""

    # Not called `off`, which YAML would read as false.
    skip: tuple[str, ...] = Field(
        (), description="checks that are not made, by reason code; see docs/reasons.md"
    )

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

    exact: bool = Field(
        default=True, description="drop a row that asks and answers the same as an earlier row of its task"
    )
    near: bool = Field(
        default=True, description="drop a row that asks and answers almost the same as an earlier row"
    )
    threshold: float = Field(
        0.8,
        gt=0,
        le=1,
        description="near: share of common character shingles (Jaccard) from which rows are too much alike",
    )


class CurriculumStage(Section):
    """Some epochs, and the tasks that take part in them: a share of each task's rows; others have none."""

    epochs: int = Field(1, ge=1, le=100_000, description="how many epochs the stage lasts")
    tasks: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        min_length=1, description="share of each task's rows that takes part; a task not named takes no part"
    )


class MixConfig(Section):
    """How many rows of each source an epoch holds (docs/augmentation.md says exactly how).

    Share of a source before caps: `weight * rows ** (1 / temperature)`. 1.0 is proportional to its rows.
    """

    temperature: float = Field(
        1.0,
        ge=1,
        le=1_000,
        description="1: sources in proportion to their rows; above 1: small sources get more",
    )
    rows: int | None = Field(
        None,
        ge=1,
        le=10**12,
        description="rows in an epoch, of all sources together; absent: as many as there are",
    )
    curriculum: tuple[CurriculumStage, ...] = Field(
        default=(), description="which tasks take part in which epochs; absent: all in all"
    )


class DataConfig(Section):
    """Where rows come from, what is done to them, and how they become packs of tokens."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    tasks: str | None = Field(
        None,
        description="folder of task files; they add to the shipped ones, and replace those of the same name",
    )
    template: str = Field(
        "chat", description="chat: the tokenizer's own template; else a built-in one's name, or a Jinja file"
    )
    template_options: dict[str, Any] | None = later_content(
        None,
        description="switches of the template, as {enable_thinking: false}; absent: those that fit the rows",
    )
    template_date: date = later_content(
        date(2024, 7, 26), description="the date that a template which reads the clock is told, for good"
    )
    export_template: Literal["own", "trained"] = later_content(
        "own",
        description="where a template asks otherwise than it answers: own stops, trained exports a cure",
    )
    seq_len: int = Field(1024, ge=16, le=2**24, description="tokens in a pack at most, and so in a row")
    epochs: int = Field(
        1,
        ge=1,
        le=100_000,
        description="epochs that are packed; data.augment says what is drawn anew in each",
    )
    too_long: Literal["reject", "shorten_input"] = Field(
        "reject",
        description="row over seq_len: reject, or cut old exchanges, then the input; answers stay whole",
    )
    reasoning: Literal["train", "context", "drop"] = later_content(
        "train",
        description="thoughts before answers: trained with them, shown but not trained, or dropped",
    )
    same_prompt: Literal["keep_all", "first", "majority", "reject"] = Field(
        "keep_all",
        description="rows that stay where one prompt has several answers; see docs/deduplication.md",
    )
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    bounds: BoundsConfig = Field(default_factory=lambda: BoundsConfig.model_validate({}))
    validation: ValidateConfig = Field(default_factory=lambda: ValidateConfig.model_validate({}))
    safety: SafetyConfig = Field(default_factory=lambda: SafetyConfig.model_validate({}))
    dedup: DedupConfig = Field(default_factory=lambda: DedupConfig.model_validate({}))
    allow_contamination: str | None = Field(
        None,
        min_length=1,
        description="why held-out rows may stand in training data; every report shows this reason",
    )
    augment: AugmentConfig = Field(default_factory=lambda: AugmentConfig.model_validate({}))
    mix: MixConfig = Field(default_factory=lambda: MixConfig.model_validate({}))
    memory_mb: int = execution(
        256,
        ge=192,
        le=2**26,
        description="MB of memory for joins over all rows; what needs more goes to the disk",
    )
    ray_from_mb: float | None = execution(
        None,
        ge=0,
        le=1e9,
        description="MB of sources from which Ray builds data/; absent: in a cluster 64, else never",
    )
    fast_tokenizer: bool = execution(
        False,
        description="tokenize by gigatoken, held to tokenizers' ids on a sample of every part",
    )
    part_rows: int = execution(
        2_000,
        ge=1,
        le=10_000_000,
        description="records in a file of unfinished work at most; a change starts unfinished work anew",
    )

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


STAGE_VERSION = 4  # raised by hand when the same config and sources give another data/
