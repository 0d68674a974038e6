"""A thought before an answer: under a key of its own, as a part of the content, or in a `<think>` block."""

from data_pipeline import reasons
from data_pipeline.sources.files.records import Reject, present, short

KEYS = ("reasoning_content", "reasoning", "thinking")
OPEN, CLOSE = "<think>", "</think>"


def split_thought(text: str, where: str) -> tuple[str | None, str]:
    """(thought, answer) of an assistant's text; no thought where it does not begin with one.

    A block whose opening tag stood in the prompt, as DeepSeek-R1 and others have it, is one too if its end
    stands at a line's end. Tags after the first block are text. An empty block is no thought: templates
    write it before a plain answer.

    Raises:
        Reject: the thought never ends, so there is no answer.
    """
    opened = text.lstrip().startswith(OPEN)
    before, closed, after = text.partition(CLOSE)
    if opened and not closed:
        raise Reject(reasons.NO_ANSWER, f"{where}the thought never ends, {CLOSE} is missing: {short(text)}")
    ends_line = not after or after.startswith(("\n", "\r"))
    if not closed or (not opened and (OPEN in before or not ends_line)):
        return None, text
    thought = before.lstrip().removeprefix(OPEN) if opened else before
    return present(thought.strip()), after.lstrip("\r\n")


def with_thought(declared: str | None, text: str, where: str) -> tuple[str | None, str]:
    """(thought, answer), where the thought may stand under a key and in the text; see `split_thought`.

    Raises:
        Reject: both have one, and they differ; or the thought in the text never ends.
    """
    declared = present(declared)
    written, answer = split_thought(text, where)
    if declared and written and declared.strip() != written:
        raise Reject(
            reasons.CONTRADICTION,
            f"{where}the thought is {short(declared)}, and in the text it is {short(written)}",
        )
    return (declared.strip() if declared else written), answer
