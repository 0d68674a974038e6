"""What a row becomes in one epoch: its request in one of its true forms, and what is put around it.

    own instruction, kept or reworded | a drawn wording of the task
      -> task prefix -> request for steps -> user and assistant turns -> role as system message -> examples

Everything drawn is a function of (seed, row, epoch, repeat) and each choice has a salt of its own: switching
one wrapper on or off leaves every other choice as it was.
"""

from dataclasses import dataclass, field, replace

from data_pipeline.augment.chance import Chance
from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.augment.wrappers import (
    Steps,
    draw_role,
    draw_steps,
    exchange,
    with_prefix,
    with_role,
    wrapper_language,
    wrapper_name,
    write_question,
)
from data_pipeline.config import AugmentConfig
from data_pipeline.tasks.tasks import DEFAULT_TASK, Task, task_of
from data_pipeline.tasks.wordings import Choice, draw_choice, draw_heldout, true_choices
from hunmin.language.answers.final_answer import extract_final_answer, with_final_answer
from hunmin.language.script import comparable, language_of
from hunmin.language.variants.rewordings import reword, rewordings
from hunmin.language.variants.wrapper_words import wants_bare_answer
from hunmin.rows import Message, Row


@dataclass(frozen=True)
class Drawn:
    """A row in one epoch, before the template. The lists are what the ledger tells of it."""

    messages: list[Message]
    wording_id: str | None = None  # None: the instruction is the row's own
    wrapper: str | None = None  # such as role:teacher+few_shot:2+chain_of_thought+task_prefix
    constraints: list[str] = field(default_factory=list)
    transforms: list[str] = field(default_factory=list)  # such as reworded:ko:haeyo, answer:score
    references: list[str] = field(default_factory=list)  # of the bare answer, without steps
    examples: list[str] = field(default_factory=list)  # row ids, in the order shown
    instruction: str | None = None  # as drawn, without prefix, steps and input


@dataclass(frozen=True)
class _Request:
    """One true form of what a row asks. `choice` is set where the wording comes from the task's bank."""

    instruction: str | None
    choice: Choice | None = None
    rule: str | None = None  # by which it was made of the row's own instruction

    @property
    def transforms(self) -> list[str]:
        if self.rule:
            return [f"reworded:{self.rule}"]
        return list(self.choice.transforms) if self.choice else []


def draw_variant(
    row: Row,
    *,
    tasks: dict[str, Task],
    augment: AugmentConfig,
    seed: int,
    epoch: int,
    repeat: int,
    examples: ExamplePool | None,
    plain: bool = False,
) -> Drawn:
    """A row as it stands in an epoch.

    Args:
        row: a line of schema.ROW; `messages` is set for conversations only.
        epoch: 0-based. A fixed corpus (materialize: all) is the same in every epoch.
        repeat: which copy of the row in its epoch; in a fixed corpus, copy * num_variants + variant.
        examples: of the train split; None gives no row worked examples.
        plain: of validation and held-out rows: the wording of epoch 0 beside the answer as it is, nothing
            reworded, no wrapper but the task's prefix.
    """
    task = task_of(tasks, row["task"])
    if plain:
        augment, epoch, repeat = _plain(augment), 0, 0
    if augment.materialize == "all":
        chance = Chance(seed, row["row_id"], 0, repeat)
        requests = _all_requests(row, task, augment=augment, seed=seed)
        request = requests[repeat % len(requests)]
    else:
        chance = Chance(seed, row["row_id"], epoch, repeat)
        request = _draw_request(row, task, augment=augment, chance=chance, plain=plain)
    if row["messages"]:
        return _draw_chat(row, request, task, augment=augment, chance=chance)
    return _draw_fields(row, request, task, augment=augment, chance=chance, examples=examples)


def draw_unseen(
    row: Row, *, tasks: dict[str, Task], augment: AugmentConfig, seed: int, at_most: int
) -> list[Drawn]:
    """A held-out row in wordings that training never draws from, plainly.

    None of a row that asks in words of its own.
    """
    task, chance = task_of(tasks, row["task"]), Chance(seed, row["row_id"], 0, 0)
    augment = _plain(augment)
    choices = draw_heldout(task, row, seed=seed, at_most=at_most, cross_language=augment.cross_language)
    requests = [_Request(choice.instruction, choice) for choice in choices]
    return [
        _draw_fields(row, request, task, augment=augment, chance=chance, examples=None)
        for request in requests
    ]


def num_variants(row: Row, *, tasks: dict[str, Task], augment: AugmentConfig) -> int:
    """How many true forms a row has: wordings of its task, or its own instruction and all its rewordings."""
    return len(_all_requests(row, task_of(tasks, row["task"]), augment=augment, seed=0))


def _plain(augment: AugmentConfig) -> AugmentConfig:
    off = {"rewordings": 0.0, "role": 0.0, "few_shot": 0.0, "chain_of_thought": False}
    return augment.model_copy(update=off | {"materialize": "epochs"})


def _draw_request(
    row: Row,
    task: Task,
    *,
    augment: AugmentConfig,
    chance: Chance,
    plain: bool = False,
) -> _Request:
    """One true form of a row: its own instruction, that reworded, or a wording of its task."""
    own = _own_instruction(row)
    if own is None:
        at = chance if augment.wordings else replace(chance, epoch=0, repeat=0)
        choice = draw_choice(
            task,
            row,
            seed=at.seed,
            epoch=at.epoch,
            repeat=at.repeat,
            plain=plain,
            cross_language=augment.cross_language,
        )
        return _Request(choice.instruction, choice) if choice else _Request(None)
    if not chance.happens("reword", augment.rewordings):
        return _Request(own)
    new = reword(
        own, language=language_of(own), draw=chance.bits("which_rewording"), without=_keeps_tone(row)
    )
    return _Request(new.text, rule=new.rule) if new else _Request(own)


def _all_requests(row: Row, task: Task, *, augment: AugmentConfig, seed: int) -> list[_Request]:
    """Every true form of a row, at least one; without those that `augment` switches off."""
    own = _own_instruction(row)
    if own is not None:
        more = rewordings(own, language=language_of(own)) if augment.rewordings > 0 else []
        tone = _keeps_tone(row)
        more = [new for new in more if tone is None or not new.rule.startswith(tone)]
        return [_Request(own), *(_Request(new.text, rule=new.rule) for new in more)]
    if augment.wordings:
        choices = true_choices(task, row, cross_language=augment.cross_language)
        return [_Request(choice.instruction, choice) for choice in choices] or [_Request(None)]
    return [_draw_request(row, task, augment=augment, chance=Chance(seed, row["row_id"], 0, 0))]


def _own_instruction(row: Row) -> str | None:
    """The row's own instruction; of a conversation its last question."""
    if row["messages"]:
        return row["messages"][_last_question(row["messages"])]["content"]
    return row["fields"]["instruction"] or None


def _last_question(messages: list[Message]) -> int:
    return max(i for i, message in enumerate(messages) if message["role"] == "user")


def _keeps_tone(row: Row) -> str | None:
    """Rules that must not touch a row: a question among people keeps the tone of the turns before it."""
    return "ko:question" if row["messages"] else None


def _draw_chat(row: Row, request: _Request, task: Task, *, augment: AugmentConfig, chance: Chance) -> Drawn:
    """A conversation: its last question as drawn, the prefix before its first, a role above it."""
    messages = [message.copy() for message in row["messages"] or []]
    messages[_last_question(messages)]["content"] = request.instruction or ""
    first = next(message for message in messages if message["role"] == "user")
    first["content"] = with_prefix(first["content"], task, augment=augment) or ""
    language = wrapper_language(request.instruction, row=row)
    role = draw_role(row, task, augment=augment, language=language, chance=chance)
    return Drawn(
        messages=with_role(messages, role),
        wrapper=wrapper_name(task, augment=augment, role=role),
        constraints=list(row["constraints"] or []),
        transforms=request.transforms,
        references=list(row["references"] or []),
        instruction=request.instruction,
    )


def _draw_fields(
    row: Row,
    request: _Request,
    task: Task,
    *,
    augment: AugmentConfig,
    chance: Chance,
    examples: ExamplePool | None,
) -> Drawn:
    """A row of fields: worked examples, then question and answer, with steps where it can; a role above."""
    language = wrapper_language(request.instruction, row=row)
    steps = None
    if augment.chain_of_thought:
        steps = draw_steps(request.instruction, language=language, chance=chance)
    if steps and not _has_room_for_steps(row, request, task, steps):
        steps = None
    shown: list[tuple[Row, _Request]] = []
    if examples is not None and chance.happens("few_shot", augment.few_shot):
        shown = _examples(row, request, task, augment=augment, chance=chance, steps=steps, pool=examples)
    messages: list[Message] = []
    for other, same in [*shown, (row, request)]:
        question = write_question(
            with_prefix(same.instruction, task, augment=augment), other["fields"]["input"], steps
        )
        answer = _answer(other, same, steps)
        messages += exchange(question, answer, train=other is row, weight=row["weight"])
    role = draw_role(row, task, augment=augment, language=language, chance=chance)
    choice = request.choice
    return Drawn(
        messages=with_role(messages, role),
        wording_id=choice.wording_id if choice else None,
        wrapper=wrapper_name(task, augment=augment, role=role, num_examples=len(shown), steps=steps),
        constraints=[*(row["constraints"] or []), *(choice.constraints if choice else [])],
        transforms=request.transforms,
        references=list(choice.references if choice else row["references"] or []),
        examples=[other["row_id"] for other, _ in shown],
        instruction=request.instruction,
    )


def _answer(row: Row, request: _Request, steps: Steps | None) -> str:
    """The answer as the wording wants it, behind the row's rationale where steps are asked for."""
    answer = request.choice.answer if request.choice else row["fields"]["answer"]
    if steps is None:
        return answer
    return with_final_answer(row["fields"]["rationale"] or "", answer, language=steps.language)


def _has_room_for_steps(row: Row, request: _Request, task: Task, steps: Steps) -> bool:
    """There is a rationale, nothing asks for the bare answer, and the answer can be found behind it.

    A wording that says something of the answer (three sentences, one of these labels, in short) is true of
    the answer alone.
    """
    if not row["fields"]["rationale"] or wants_bare_answer(request.instruction):
        return False
    if request.choice and any(
        one.kind != "neutral" for one in _only(task, request.choice.wording_id).wordings
    ):
        return False
    bare = _answer(row, request, None)
    return extract_final_answer(_answer(row, request, steps)) == bare.strip()


def _examples(
    row: Row,
    request: _Request,
    task: Task,
    *,
    augment: AugmentConfig,
    chance: Chance,
    steps: Steps | None,
    pool: ExamplePool,
) -> list[tuple[Row, _Request]]:
    """Rows of the pool asked in the same form as this one; as many as are drawn, or as there are."""
    bank = _only(task, request.choice.wording_id) if request.choice else task

    def same(other: Row) -> _Request | None:
        found = _same_form(other, row, request, bank)
        return found if found and (steps is None or _has_room_for_steps(other, found, bank, steps)) else None

    low, high = augment.few_shot_k
    chosen = pool.choose(
        row,
        low + chance.pick("few_shot_k", high - low + 1),
        seed=chance.seed,
        epoch=chance.epoch,
        repeat=chance.repeat,
        fits=lambda other: same(other) is not None,
    )
    return [(other, found) for other in chosen if (found := same(other))]


def _same_form(other: Row, row: Row, request: _Request, task: Task) -> _Request | None:
    """Another row of the task asked as this one is: by the same wording, which must be true of it too.

    Rows with instructions of their own keep them. Those of no known task are of the same task only where
    they have the same instruction.
    """
    if request.choice is not None:
        true = true_choices(task, other)
        return _Request(true[0].instruction, true[0]) if true else None
    own, others = row["fields"]["instruction"] or "", other["fields"]["instruction"] or ""
    if task.name == DEFAULT_TASK and comparable(own) != comparable(others):
        return None
    return _Request(others or None)


def _only(task: Task, wording_id: str) -> Task:
    """The task with one wording in its bank."""
    mine = tuple(wording for wording in task.wordings if f"{task.name}/{wording.id}" == wording_id)
    return task.model_copy(update={"wordings": mine})
