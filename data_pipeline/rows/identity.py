"""Families and splits: pure functions of a row's text, stable when the corpus grows."""

from data_pipeline.config import SplitConfig
from data_pipeline.dedup.shingles import turns_of
from hunmin.hashing import stable_hash
from hunmin.language.script import comparable
from hunmin.rows import DraftRow, Message, Row, said_by
from hunmin.schema import Split


def family_id(draft: DraftRow) -> str:
    """Shared by all rows with the same input and answer, or of the same declared key.

    Without an input the instruction takes its place. A conversation is its whole text, without thoughts; one
    question and its answer are the same family whether they come as a row or as a chat.
    """
    texts = [comparable(said_by(m)) for m in draft["messages"] or []]
    if draft["family_key"] is not None:
        parts = ("key", comparable(draft["family_key"]))
    elif [m["role"] for m in draft["messages"] or []] == ["user", "assistant"]:
        parts = ("row", *texts)
    elif texts:
        parts = ("chat", *texts)
    else:
        fields = draft["fields"]
        parts = (
            "row",
            comparable(fields["input"] or fields["instruction"] or ""),
            comparable(fields["answer"]),
        )
    return f"{stable_hash(*parts):016x}"


def text_key(draft: DraftRow) -> str:
    """Equal for rows that ask the same, but for case, width and white space, and have the same answers.

    Answers count to the letter: white space is meaning in code.
    """
    if draft["messages"]:
        parts = [
            m["role"] + ":" + (_answer_of(m) if m["role"] == "assistant" else comparable(m["content"]))
            for m in draft["messages"]
        ]
    else:
        fields = draft["fields"]
        parts = [*(comparable(fields[name] or "") for name in ("instruction", "input")), fields["answer"]]
    return f"{stable_hash(draft['task'], *parts, *_tools_of(draft), *_weights_of(draft)):016x}"


def _answer_of(message: Message) -> str:
    """Thought, content and calls: the content alone where there is nothing else."""
    thought = message.get("reasoning")
    return (f"<thought>{thought}</thought>" if thought else "") + said_by(message)


def _tools_of(draft: DraftRow) -> list[str]:
    tools = draft.get("tools")
    return [f"tools:{tools}"] if tools else []


def _weights_of(draft: DraftRow) -> list[str]:
    """What a row says of how its answers are trained: nothing, where all are as usual."""
    weights = [
        f"weight:{index}:{0.0 if message.get('train') is False else message.get('weight')}"
        for index, message in enumerate(draft["messages"] or ())
        if message.get("train") is False or message.get("weight")
    ]
    of_row = draft.get("weight", 1.0)
    return weights if of_row == 1 else [*weights, f"weight:{of_row}"]


def prompt_text(draft: DraftRow | Row) -> str:
    """All that a row asks: instruction and input, or all turns but the assistant's, blank lines between."""
    if draft["messages"]:
        parts = [m["content"] for m in draft["messages"] if m["role"] != "assistant"]
    else:
        parts = [draft["fields"]["instruction"], draft["fields"]["input"]]
    return "\n\n".join(part for part in parts if part)


def asked_key(draft: DraftRow) -> int | None:
    """Equal for rows that ask about the same text, whatever they ask of it; None where there is none.

    A row asks about its input, or where it has none its instruction; a conversation about its turns.
    """
    asked = comparable("\n".join(asked for asked, _ in turns_of(draft)))
    return stable_hash("asked", asked) if asked else None


def prompt_key(draft: DraftRow) -> str:
    """16 hex digits, equal for rows of one task that ask the same but for case, width and white space."""
    prompt = comparable(prompt_text(draft))
    return f"{stable_hash('prompt', draft['task'], prompt, *_tools_of(draft)):016x}"


def answer_key(draft: DraftRow) -> str:
    """16 hex digits, equal for rows with the same answers to the letter; see `text_key`."""
    if draft["messages"]:
        answers = [_answer_of(m) for m in draft["messages"] if m["role"] == "assistant"]
    else:
        answers = [draft["fields"]["answer"]]
    return f"{stable_hash('answer', *answers):016x}"


def split_of(family: str, task: str, *, config: SplitConfig, seed: int) -> Split:
    """Where a family goes: by its own hash, so a row stays where it is when others come or go."""
    if task in config.heldout_tasks:
        return "heldout"
    share = stable_hash("split", seed, family) / 2**64
    if share < config.heldout:
        return "heldout"
    return "val" if share < config.heldout + config.val else "train"
