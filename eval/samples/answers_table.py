"""What was asked and answered, as tables: samples.parquet, reworded.parquet and probes.parquet."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from eval.probes import Answers, Findings, probes
from eval.samples.questions import Questions
from eval.samples.samples import Sample
from eval.scores.labelled import LabelExtractor
from eval.scores.metric import Answer
from hunmin.schema import PROBES, SAMPLES, TaskInfo

SYSTEMS = ["base", "tuned", "majority", "copy", "first_sentence"]


def samples_table(
    samples: Sequence[Sample],
    *,
    answers: Mapping[str, Sequence[Answer]],
    prompts: Mapping[str, Sequence[int]],
    tasks: Mapping[str, TaskInfo],
    values: Mapping[str, Sequence[Mapping[str, float]]],
) -> pa.Table:
    """schema.SAMPLES: a line per system and sample, systems in the order of SYSTEMS.

    `answers` and `values` are by system, in the samples' order; `prompts` are ids by sample id.
    """
    extractors = {name: LabelExtractor(info["labels"]) for name, info in tasks.items() if info["labels"]}
    rows = []
    for system in [name for name in SYSTEMS if name in answers and samples]:
        for sample, said, metrics in zip(samples, answers[system], values[system], strict=True):
            extract = extractors.get(sample.task)
            rows.append(
                {
                    "sample_id": sample.sample_id,
                    "row_id": sample.row_id,
                    "turn": sample.turn,
                    "system": system,
                    "task": sample.task,
                    "language": sample.reference.language,
                    "wording_id": sample.wording_id,
                    "prompt": sample.question,
                    "references": sample.reference.texts,
                    "label": sample.reference.label,
                    "answer": said.text,
                    "extracted": extract(said.text) if extract else None,
                    "num_prompt_tokens": len(prompts[sample.sample_id]),
                    "num_answer_tokens": said.num_tokens,
                    "stopped": said.stopped,
                    "scores": sorted(metrics.items()),
                }
            )
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def probes_table(asked: Questions, said: Answers, found: Mapping[str, Findings]) -> pa.Table:
    """schema.PROBES: samples_table's lines of each probe, with the probe's name before them."""
    tables = []
    for name, members in asked.probes.items():
        systems = probes()[name].systems
        table = samples_table(
            members,
            answers={system: [said[system][one.sample_id] for one in members] for system in systems},
            prompts=asked.prompts,
            tasks=asked.material.tasks,
            values={
                system: [found[name].per_answer.get((system, one.sample_id), {}) for one in members]
                for system in systems
            },
        )
        tables.append(
            table.add_column(0, PROBES.field("probe"), pa.array([name] * table.num_rows, pa.string()))
        )
    return pa.concat_tables(tables) if tables else PROBES.empty_table()
