"""Every table and record that one stage writes and another reads, in one place.

Arrow schemas for files (`packs`, `rows.parquet`, `rejected.parquet`, `heldout.parquet`, `samples.parquet`),
typed dictionaries for JSON (`stats.json`, `metrics.jsonl`, `scores.json`). Nothing else crosses a stage.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import pyarrow as pa

SCHEMA_VERSION = 1
IGNORE_INDEX = -100  # torch.nn.functional.cross_entropy's default ignore_index

Split = Literal["train", "val", "heldout"]

# A chat message. `train`: the assistant text (and its end-of-turn token) is a training target.
TOOL_CALL = pa.struct([(name, pa.string()) for name in ("id", "name", "arguments")])  # arguments: JSON text
MESSAGE = pa.struct(
    [
        ("role", pa.string()),  # system, user, assistant, tool
        ("content", pa.string()),
        ("train", pa.bool_()),
        ("reasoning", pa.string()),
        ("tool_calls", pa.list_(TOOL_CALL)),
        ("tool_call_id", pa.string()),
        ("name", pa.string()),
        ("weight", pa.float32()),  # null: 1
    ]
)

# The parts a row was made of, before any wording, wrapper or template.
# `value` is the raw label as the file spells it ("9"), which answer renderers read.
FIELDS = pa.struct(
    [(name, pa.string()) for name in ("instruction", "input", "answer", "rationale", "label", "value")]
)

# Where a row came from. No machine, no absolute path: `file` is relative to its source's folder.
_ORIGIN = [
    ("row_id", pa.string()),  # source:file:record.sub_record
    ("source", pa.string()),
    ("file", pa.string()),
    ("record", pa.int64()),  # 0-based within the file
    ("sub_record", pa.int32()),  # 0-based within the record
]
_KIND = [
    ("family_id", pa.string()),  # shared by all rows with the same input and answer, or of a declared key
    ("task", pa.string()),
    ("domain", pa.string()),
    ("language", pa.string()),  # of the answer: ko, en, other, und
    ("licence", pa.string()),
    ("synthetic", pa.bool_()),
]
_VARIANT = [
    ("wording_id", pa.string()),  # null: the instruction is the source's own
    ("wrapper", pa.string()),  # null: none
    ("weight", pa.float32()),
    ("constraints", pa.list_(pa.string())),
    ("transforms", pa.list_(pa.string())),  # in order of application
    ("flags", pa.list_(pa.string())),  # what safety found and kept: harmful_request_refused, bias:gender
]

# A row on its way through the pipeline.
ROW = pa.schema(
    [
        *_ORIGIN,
        *_KIND,
        *_VARIANT,
        ("fields", FIELDS),
        ("messages", pa.list_(MESSAGE)),
        ("tools", pa.string()),  # JSON text
        ("references", pa.list_(pa.string())),
    ]
)

# rows.parquet: the ledger, a line per rendered row of train and val. A row is rendered once in each (epoch,
# repeat), or several times where one sequence cannot train all its answers: `turn` numbers those. `weight` is
# of the rendered row: the row's own times that of the answers it trains.
LEDGER = pa.schema(
    [
        ("row", pa.int64()),  # the index that packs refer to
        *_ORIGIN,
        *_KIND,
        *_VARIANT,
        ("split", pa.string()),
        ("epoch", pa.int32()),
        ("repeat", pa.int32()),  # which copy of the row in its epoch, 0-based (mix, materialize: all)
        ("turn", pa.int32()),  # which rendered row of that copy, 0-based, by the last answer that it trains
        ("pack", pa.int64()),  # counted over (split, epoch)
        ("num_tokens", pa.int32()),
        ("num_trained_tokens", pa.int32()),
    ]
)

# rejected.parquet: every record that was read and not kept. `text` is for people (hunmin/readable.py): what
# the row says, or what stands in the file where none could be made of it; masked, and cut in its middle.
REJECTED = pa.schema([*_ORIGIN, ("reason", pa.string()), ("detail", pa.string()), ("text", pa.string())])

Refusal = tuple[str, str] | None  # (reason, detail) of a record that is not kept; None where it is

# heldout.parquet: what eval asks. Schema metadata `hunmin` holds {"tasks": {name: TaskInfo}, "trained":
# TrainedKinds}. A row has a line more for each held-out wording that it is laid out in, `seen_wording` false.
HELDOUT = pa.schema([*ROW, ("seen_task", pa.bool_()), ("seen_wording", pa.bool_())])

# Packed shards (Arrow IPC stream). Schema metadata `hunmin` holds PackMetadata as JSON.
# labels are aligned with input_ids, IGNORE_INDEX where not trained; the shift happens once, in
# trainer/batches/targets.py.
PACKS = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("seq_lengths", pa.list_(pa.int32())),  # per segment; they sum to len(input_ids)
        ("rows", pa.list_(pa.int64())),  # per segment: index into rows.parquet
        ("tasks", pa.list_(pa.int32())),  # per segment: index into the metadata's tasks
    ]
)
# A shard in which a segment weighs other than 1 has one column more.
WEIGHTED_PACKS = PACKS.append(pa.field("weights", pa.list_(pa.float32())))  # per segment: positive, finite

# samples.parquet: one line per (system, sample). Systems: base, tuned, and the trivial baselines.
# reworded.parquet, of the same columns: the tuned model's answers to rows that were asked again in a held-out
# wording.
SAMPLES = pa.schema(
    [
        ("sample_id", pa.string()),  # row_id/turn, of a row asked again row_id/turn/wording_id
        ("row_id", pa.string()),
        ("turn", pa.int32()),  # which assistant turn of the row is asked, 0-based
        ("system", pa.string()),  # base | tuned | majority | copy | first_sentence
        ("task", pa.string()),
        ("language", pa.string()),
        ("wording_id", pa.string()),
        ("prompt", pa.string()),  # the last user message
        ("references", pa.list_(pa.string())),
        ("label", pa.string()),  # the right label, where the task has labels
        ("answer", pa.string()),  # as scored: without the thought, calls as <tool_call>{...}</tool_call>
        ("thought", pa.string()),  # what a model wrote before it; null: nothing
        ("extracted", pa.string()),  # the label found in the answer, null if none
        ("num_prompt_tokens", pa.int32()),
        ("num_answer_tokens", pa.int32()),  # of all that was generated, the thought included
        ("num_thought_tokens", pa.int32()),  # of the thought alone; null: none
        ("stopped", pa.bool_()),  # ended by itself, not by max_new_tokens
        ("scores", pa.map_(pa.string(), pa.float64())),  # per-sample metric values
    ]
)
# probes.parquet: the answers to what probes asked, of the same columns behind the probe's name. `task` is
# that of the held-out row that a question was made from, or the probe's own word for a kind of question.
PROBES = pa.schema([("probe", pa.string()), *SAMPLES])
# draws.parquet: with eval.num_answers, every answer of the models to every sample; those of draw 0 are in
# samples.parquet too.
DRAWS = pa.schema([("draw", pa.int32()), *SAMPLES])

# Preference pairs: two answers to one prompt, and which of them is liked better. Three lists of messages are
# what TRL calls conversational preference data.
PREFERENCES = pa.schema(
    [
        ("row_id", pa.string()),  # of the row whose answer was asked for
        ("turn", pa.int32()),  # which assistant turn of it, 0-based
        ("family_id", pa.string()),
        ("task", pa.string()),
        ("language", pa.string()),
        ("licence", pa.string()),  # of the row
        ("prompt", pa.list_(MESSAGE)),  # ends before the answer
        ("tools", pa.string()),  # JSON text
        ("chosen", pa.list_(MESSAGE)),
        ("rejected", pa.list_(MESSAGE)),
        ("source", pa.string()),  # who preferred, and how: human:pairwise, human:absolute, ...
        ("margin", pa.float32()),  # in (0, 1]: 1 where all prefer it as clearly as they could
        ("num_chosen", pa.int32()),  # raters who like the chosen answer better
        ("num_rejected", pa.int32()),
        ("num_tied", pa.int32()),
    ]
)

# RUN/human/MODE/key.parquet: what people rate, and which system said it, which no rater may see. A line per
# item: in mode `absolute` one answer, in `pairwise` two. Schema metadata `hunmin` holds HumanStudy.
HUMAN_KEY = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample_id", pa.string()),  # of samples.parquet
        ("row_id", pa.string()),
        ("turn", pa.int32()),
        ("family_id", pa.string()),
        ("task", pa.string()),
        ("language", pa.string()),
        ("licence", pa.string()),
        ("messages", pa.list_(MESSAGE)),  # what was asked
        ("tools", pa.string()),
        ("systems", pa.list_(pa.string())),  # base and tuned, or the one of them
        ("answers", pa.list_(pa.string())),  # of these systems
        ("scores", pa.list_(pa.map_(pa.string(), pa.float64()))),  # of these answers, as in samples.parquet
        ("swapped", pa.list_(pa.bool_())),  # by rater: whether the second system's answer is shown first
        ("asked", pa.bool_()),  # false: both answers are equal, which nobody needs to compare
    ]
)

# RUN/human/ratings.parquet: a line per judgement that was taken in, with the side unblinded.
HUMAN_RATINGS = pa.schema(
    [
        ("mode", pa.string()),
        ("rater", pa.int32()),  # the number of the form, from 1
        ("item_id", pa.string()),
        ("criterion", pa.string()),
        ("value", pa.int8()),  # absolute: 1 to 5; pairwise: 1 tuned is better, 0 a tie, -1 base is better
        ("shown_first", pa.string()),  # pairwise: the system whose answer stood first
        ("note", pa.string()),  # what the rater wrote to the item
    ]
)


class HumanStudy(TypedDict):
    """Schema metadata `hunmin` of key.parquet: one way of asking, handed out at once."""

    study: str  # names the forms, h and eight digits
    mode: str  # absolute | pairwise
    raters: int
    seed: int
    language: str  # of the forms: ko | en
    eval_sha256: str  # the content of the eval whose answers are rated


class PackMetadata(TypedDict):
    """Schema metadata `hunmin` of a packed shard."""

    schema_version: int
    split: str
    epoch: int
    seq_len: int
    tasks: list[str]
    tokenizer_sha256: str
    template_sha256: str


class TaskInfo(TypedDict):
    """What eval must know of a task: how it is scored and which labels it has."""

    metrics: list[str]
    labels: list[str]  # empty: not a label task
    language: str  # of the answers; "und" where they differ
    heldout_wordings: NotRequired[dict[str, str]]  # the axis of each, by its id: task/wording


class TrainedKinds(TypedDict):
    """How many rows of the train split are of each task, domain and language (of the answer)."""

    task: dict[str, int]
    domain: dict[str, int]
    language: dict[str, int]


class SplitStats(TypedDict):
    """Counts of one split; `fill` is tokens / (packs * seq_len)."""

    rows: int
    families: int
    packs: int
    tokens: int
    trained_tokens: int
    fill: float
    rendered_rows: NotRequired[int]  # over all epochs, where some row was rendered as several


class WeightStats(TypedDict):
    """Weights of the train split's rendered rows, over all epochs."""

    rendered_rows: int  # that weigh other than 1
    min: float
    max: float
    weighted_tokens: float  # trained tokens, each by its row's weight


class SourceStats(TypedDict):
    """A source's accounts: records = kept + sum(rejected)."""

    files: int
    records: int
    kept: int
    rejected: dict[str, int]
    licence: str
    dialect: list[str]  # what was detected or declared, in words
    languages: NotRequired[dict[str, dict[str, int]]]  # kept rows: language asked in -> answered in
    unread_keys: dict[str, int]  # rows whose record has a key that no reader knows, by key


class SourceShares(TypedDict):
    """A source's part of the train split, planned by the mix and realised in packs. Each sums to 1."""

    planned_rows_share: float
    realised_rows_share: float
    planned_tokens_share: float  # planned rows times the source's mean trained tokens
    realised_tokens_share: float


class TaskStats(TypedDict):
    """A task's rows per split, tokens over all epochs, and the commonest train answer."""

    rows: dict[str, int]
    tokens: int
    trained_tokens: int
    majority_answer: str


class WordingStats(TypedDict):
    """How often the wordings of the tasks were paired with a train row, over all epochs."""

    pairs: dict[str, int]  # by id: task/wording
    axes: dict[str, int]
    never_paired: list[str]  # of the banks of the corpus' tasks, those held out apart


class VariantStats(TypedDict):
    """Of a source's rendered train rows, over all epochs: what was drawn for them."""

    rows: int
    wording: float  # shares of the rows
    rewording: float
    role: float
    few_shot: float
    chain_of_thought: float
    wrappers: dict[str, int]  # rows by what stood around them; those without are left out


class SamePromptStats(TypedDict):
    """Prompts with several answers, their rows, and what the config does with them."""

    prompts: int
    rows: int
    rule: str


class ContaminationStats(TypedDict):
    """Held-out rows that stand in the train split too, by kind; `allowed` is the config's reason to go on."""

    leaks: dict[str, int]
    allowed: str | None


class Lengths(TypedDict):
    """Characters."""

    min: int
    median: int
    p95: int
    max: int


class TextDiversity(TypedDict):
    """Words of some texts, and the shares of n-grams among theirs that are different ones."""

    words: int
    distinct_1: float
    distinct_2: float
    distinct_3: float


class TaskDiversity(TypedDict):
    """How varied a task's train rows are, as rendered in epoch 0."""

    rows: int
    instruction: TextDiversity
    answer: TextDiversity
    verbs: dict[str, int]  # the commonest that requests ask for; rows of each
    rows_with_verb: int
    lengths: dict[str, Lengths]  # instruction, input, answer


class LanguageTokens(TypedDict):
    """How the tokenizer fits a language, over all renderings of rows whose answer is in it."""

    tokens: int
    chars_per_token: float
    byte_share: float  # of tokens that are pieces of characters
    vocabulary_share: float  # of the vocabulary that was used


class RejectExample(TypedDict):
    """A record that was rejected; personal data in the detail is masked."""

    where: str  # source:file:record
    detail: str


class Histogram(TypedDict):
    """`counts[i]` rows have a length in [edges[i], edges[i + 1])."""

    edges: list[int]
    counts: list[int]


class EpochTask(TypedDict):
    """Rows of a task in an epoch: as mix and curriculum take them, and in packs; its trained tokens."""

    planned_rows: int
    realised_rows: int
    trained_tokens: int


class SharedTexts(TypedDict):
    """Texts that two sources ask about, each for a task of its own."""

    sources: list[str]
    tasks: list[str]
    texts: int
    share: float  # of the texts of the source that has fewer


class Stats(TypedDict):
    """data/stats.json."""

    schema_version: int
    sources: dict[str, SourceStats]
    rejected: dict[str, int]
    rejected_examples: dict[str, list[RejectExample]]  # by reason, the first few
    duplicates: dict[str, dict[str, int]]  # by source: duplicate, near_duplicate
    shared_texts: NotRequired[list[SharedTexts]]
    flags: dict[str, int]  # kept rows by what safety found in them
    personal_data: dict[str, int]  # kept rows by the kind of personal data that was masked in them
    same_prompt: SamePromptStats
    contamination: ContaminationStats
    unrendered: dict[str, int]  # renderings refused in some epoch of rows that were kept, by reason
    tasks: dict[str, TaskStats]
    splits: dict[str, SplitStats]
    weights: NotRequired[WeightStats]  # where a rendered row of train weighs other than 1
    left_out: NotRequired[dict[str, int]]  # thoughts, tools: rendered rows of train that are without them
    part_marks: NotRequired[Mapping[str, Sequence[str]]]  # thought, call: the text before each, and behind
    row_tokens: Histogram
    trained_tokens: Histogram
    wordings: WordingStats
    variants: dict[str, VariantStats]  # by source
    mix: dict[str, SourceShares]  # by source
    epoch_tasks: list[dict[str, EpochTask]]  # for each epoch, by task
    diversity: dict[str, TaskDiversity]  # by task
    tokenizer: dict[str, LanguageTokens]  # by language
    vocab_size: int
    seq_len: int
    epochs: int


class KeptSample(TypedDict):
    """A kept row as it was rendered first.

    `said` is (kind, text) of its parts (hunmin/readable.py), without the middle of a long conversation.
    """

    row_id: str
    task: str
    split: str
    label: str | None
    wording_id: str | None
    wrapper: str | None
    transforms: list[str]
    num_tokens: int
    num_trained_tokens: int
    said: list[tuple[str, str]]
    num_parts: int  # of which `said` has the first and the last


class RejectedSample(TypedDict):
    """A record that was rejected, and what it says."""

    row_id: str
    source: str
    detail: str
    text: str


class NearPair(TypedDict):
    """A row that was dropped because it says nearly what a kept one says."""

    dropped: RejectedSample
    kept: RejectedSample
    similarity: float


class LanguagePair(TypedDict):
    """Kept rows of a source whose request and answer are in these languages."""

    request: str
    answer: str
    rows: int


class CorpusSamples(TypedDict):
    """data/corpus.json: what the corpus page shows beside stats.json. Texts are masked and cut."""

    schema_version: int
    kept: dict[str, list[KeptSample]]  # by source
    rejected: dict[str, list[RejectedSample]]  # by reason
    meanings: dict[str, str]  # of these reasons, in words
    near_pairs: list[NearPair]  # the least similar first
    num_near_pairs: int
    labels: dict[str, dict[str, int]]  # by task: kept rows with each label, the commonest first
    languages: dict[str, list[LanguagePair]]  # by source, the commonest first


class TaskShare(TypedDict):
    """A task's part in a step. Its gradient share: of the sum, over the trained tokens, of the norm of the
    loss's gradient at the last hidden state; null where there was no gradient.
    """

    loss: float  # mean over the task's trained tokens, by their rows' weights
    num_valid_tokens: int
    gradient_share: float | None


class TrainMetrics(TypedDict):
    """A line of metrics.jsonl after an optimizer step. Losses in nats per answer token."""

    kind: Literal["train"]
    step: int  # 1 after the first update
    loss: float  # as weighted by train.loss_weighting and the rows' weights
    num_valid_tokens: int
    weighted_tokens: NotRequired[
        float
    ]  # the same tokens by their rows' weights, where the corpus has weights
    num_tokens: int
    learning_rate: float
    grad_norm: float
    skipped: bool  # not finite, or a spike
    step_s: float
    tokens_per_s: float
    trained_tokens_per_s: float
    idle_share: float  # of micro-batch slots filled with zero-weight packs
    peak_memory_bytes: int  # the largest of any rank
    busy_s: list[float]  # by rank: seconds in which it worked and did not wait for others
    model_flops: float  # of the step over all ranks, forward and backward
    mfu: float | None  # model FLOPs a second over what the GPUs could do in bf16; null on a CPU
    time_left_s: float  # until the last step, by the mean of recent ones; 0 at the first
    tasks: dict[str, TaskShare]
    objective: NotRequired[dict[str, float]]  # sums over the step that train.objective names
    router_loss: NotRequired[float]  # of a mixture of experts, as weighted: minimised beside the loss


class ValMetrics(TypedDict):
    """A line of metrics.jsonl after a validation."""

    kind: Literal["val"]
    step: int
    loss: float  # mean over the trained tokens, by their rows' weights
    num_valid_tokens: int
    tasks: dict[str, float]  # loss per task, likewise
    num_packs: NotRequired[int]  # that were asked: all validation packs, or train.val_share's; earlier: all


class SampleAnswer(TypedDict):
    """A validation row, and what the model in training says to it."""

    task: str
    prompt: str
    reference: str
    answer: str


class SampleMetrics(TypedDict):
    """A line of metrics.jsonl with answers at a validation."""

    kind: Literal["samples"]
    step: int
    samples: list[SampleAnswer]


class Interval(TypedDict):
    """A value with its bootstrap interval at 95 %; low and high are null below 2 families."""

    value: float
    low: float | None
    high: float | None


class MetricScores(TypedDict):
    """One metric of one task. `systems`: base, tuned, majority, copy, first_sentence."""

    unit: str  # "%" (0 to 100) or "ratio"
    tokenizer: str | None  # what the text was cut by, named beside the number
    higher_is_better: bool
    n: int
    undefined: int  # samples the metric is not defined on (too short), scored as the library does
    systems: dict[str, Interval]
    delta: Interval | None  # tuned minus base, paired bootstrap
    over: NotRequired[dict[str, Interval]]  # tuned minus each baseline, likewise
    note: NotRequired[str]


class WordingMetric(TypedDict):
    """The tuned model by one metric on the same rows, asked in a trained and in a held-out wording."""

    unit: str
    seen: Interval
    unseen: Interval
    delta: Interval  # unseen minus seen, paired bootstrap


class WordingScores(TypedDict):
    """What held-out wordings change, over the rows of a task that were asked twice."""

    n: int
    wordings: int  # how many held-out wordings were drawn
    metrics: dict[str, WordingMetric]


class DrawnMetric(TypedDict):
    """A metric over several draws of answers to the same samples."""

    mean: float  # of its value over all samples, in each draw
    spread: float  # standard deviation over the draws (n - 1)
    pass_at: NotRequired[dict[str, float]]  # by k, for metrics that run code: one of k answers passes


class Drawn(TypedDict):
    """What several answers to each sample show: by metric, by model."""

    draws: int
    metrics: dict[str, dict[str, DrawnMetric]]


class HistoryMetric(TypedDict):
    """A model by one metric on the same turns, behind the row's answers and behind its own."""

    unit: str
    given: Interval
    own: Interval
    delta: Interval  # own minus given, paired bootstrap


class HistoryScores(TypedDict):
    """Conversations asked turn after turn on the model's own answers: second and later turns, by model."""

    n: dict[str, int]
    conversations: dict[str, int]
    metrics: dict[str, dict[str, HistoryMetric]]


class Habits(TypedDict):
    """How each system answers a task, whatever is right."""

    stop_rate: dict[str, float]  # by system, models only
    length_ratio: dict[str, float]  # answer characters / reference characters
    repetition: NotRequired[dict[str, float]]  # mean share of an answer's 4-grams that stand in it before
    unread: NotRequired[dict[str, float]]  # of label tasks: share of answers that give no label, or several
    thought_tokens: NotRequired[dict[str, float]]  # mean length of thoughts, models only, where some think


class TaskScores(Habits):
    """One task's scores, in wordings that training draws from; `unseen_wordings` where some are held out."""

    n: int
    families: NotRequired[int]  # of the n samples; intervals resample these
    languages: dict[str, int]
    metrics: dict[str, MetricScores]
    unseen_wordings: NotRequired[WordingScores]
    drawn: NotRequired[Drawn]  # where eval.num_answers asks for several
    own_history: NotRequired[HistoryScores]  # where eval.own_history asks for it


class RivalScore(TypedDict):
    """Tuned minus one system, and whether that is what a goal asks for."""

    delta: Interval
    met: bool


class GoalScore(TypedDict):
    """A goal of the config, and what came of it."""

    task: str
    metric: str
    unit: str
    margin: float  # in the metric's unit
    min_samples: int
    n: int
    tuned: float | None  # None: nothing was asked for this task
    rivals: dict[str, RivalScore]
    met: bool


class Scores(TypedDict):
    """eval/scores.json."""

    schema_version: int
    seed: int
    systems: list[str]
    engine: dict[str, str]  # {"name": hf | vllm, "dtype"}: what computed the answers
    models: dict[str, dict[str, Any]]  # base, tuned: {"path", "sha256"}
    goals: NotRequired[list[GoalScore]]
    tasks: dict[str, TaskScores]
    probes: NotRequired[dict[str, Any]]  # by probe, what it found: see the probe's module


class CriterionScores(TypedDict):
    """What people said by one criterion.

    Absolute: `base`, `tuned` and `delta` are means of 1 to 5. Pairwise: `win`, `tie`, `loss` are shares of
    samples for the tuned model, `win_rate` is win plus half of the ties.
    """

    n: int  # samples
    systems: NotRequired[dict[str, Interval]]
    delta: NotRequired[Interval]
    shares: NotRequired[dict[str, float]]
    win_rate: NotRequired[Interval]
    alpha: dict[str, Interval | None]  # Krippendorff's, by level: ordinal, interval; null: not defined


class MetricAgreement(TypedDict):
    """Rank correlation of people's judgements with an automatic metric, over a task's answers or pairs."""

    task: str
    metric: str
    n: int
    spearman: Interval | None  # null: all values of one side are equal
    kendall: Interval | None  # tau-b


class HumanModeScores(TypedDict):
    """The ratings of one mode."""

    raters: int  # who gave ratings
    ratings: int
    samples: int  # with a rating
    families: int
    equal_answers: int  # pairwise: samples both answered alike, counted as ties
    unpaired: int  # absolute: samples of which one answer was rated and the other not
    first_shown: float | None  # pairwise: share of overall judgements, ties apart, for the answer shown first
    criteria: dict[str, CriterionScores]
    main: CriterionScores  # absolute: of the mean over the criteria; pairwise: of the overall judgement
    tasks: dict[str, CriterionScores]  # the same, by task
    metrics: list[MetricAgreement]


class HumanScores(TypedDict):
    """human/scores.json."""

    schema_version: int
    seed: int
    eval_sha256: str
    modes: dict[str, HumanModeScores]
