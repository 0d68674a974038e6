"""A sample asked otherwise: in held-out wordings, with small edits, with its options in another order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eval.samples.samples import Sample
from eval.scores.metric import Reference
from hunmin.hashing import stable_hash
from hunmin.language.variants.edits import edits
from hunmin.language.variants.option_order import reordered
from hunmin.rows import Message
from hunmin.schema import TaskInfo

UNNAMED = "wording"  # axis of a held-out wording of a corpus whose axes are not told
OPTION_ORDER = "option_order"


def variants(
    sample: Sample, unseen: Sequence[Sample], *, info: TaskInfo, seed: int, probe: str
) -> list[Sample]:
    """The sample in other words that ask for the same; their `wording_id` is axis:how.

    Edits touch the request; the input behind it stays as it is, and so do labels and right answers that the
    request names. Only the order of options changes the input, and with it the answer where that is a mark.

    Args:
        unseen: the same turn in held-out wordings.
        seed: of which edits are made.
        probe: what the ids begin with.
    """
    axes = info.get("heldout_wordings", {})
    asked = [(f"{axes.get(twin.wording_id or '', UNNAMED)}:{twin.wording_id}", twin) for twin in unseen]
    asked += _edited(sample, info=info, seed=seed)
    return [
        replace(
            one,
            sample_id=f"{probe}:{sample.sample_id}/{how}",
            row_id=sample.row_id,
            wording_id=how,
        )
        for how, one in asked
    ]


def request_and_input(sample: Sample) -> tuple[str, str]:
    """The question in two parts: the request with the white space behind it, and its input, empty if none."""
    given = sample.text if sample.text != sample.question and sample.question.endswith(sample.text) else ""
    return sample.question.removesuffix(given), given


def axis_of(sample: Sample) -> str:
    """Along which axis a sample of `variants` differs from the row's own wording."""
    return (sample.wording_id or UNNAMED).partition(":")[0]


def _edited(sample: Sample, *, info: TaskInfo, seed: int) -> Iterator[tuple[str, Sample]]:
    last = sample.messages[-1]
    if last["role"] != "user":  # a tool's result, which nobody words
        return
    draw = stable_hash("edits", seed, sample.sample_id)
    request, given = request_and_input(sample)
    for edit in edits(request, draw=draw, keep=[*info["labels"], *sample.reference.texts]):
        yield f"{edit.axis}:{edit.name}", _asked(sample, edit.text + given)
    answers = sample.reference.texts
    if moved := reordered(sample.question, answers, draw=draw):
        question, new_answers = moved
        label_of = dict(zip(answers, new_answers, strict=True))
        label = sample.reference.label
        reference = Reference(new_answers, sample.reference.language, label and label_of.get(label, label))
        yield f"{OPTION_ORDER}:moved", replace(_asked(sample, question), reference=reference)


def _asked(sample: Sample, question: str) -> Sample:
    last: Message = {**sample.messages[-1], "content": question}
    return replace(sample, messages=[*sample.messages[:-1], last], question=question)
