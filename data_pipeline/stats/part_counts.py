"""What is counted of a part's texts and tokens while a worker holds them; merged in the driver."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.stats.diversity import TaskTexts
from data_pipeline.stats.token_count import TokenCount
from hunmin.rows import said_by

KIND = "tally"  # of the files in the work folder


@dataclass
class PartCounts:
    """By task, the texts of the train rows in epoch 0; by language, the tokens of all renderings."""

    texts: dict[str, TaskTexts] = field(default_factory=dict)
    tokens: dict[str, TokenCount] = field(default_factory=dict)

    def add(self, lines: Iterable[Mapping[str, Any]], *, is_byte: np.ndarray) -> None:
        """Count what `encode` made of some rows; refused renderings are passed over.

        `is_byte` says which ids are pieces of characters, of tokenizer.byte_tokens.
        """
        texts: dict[str, list[tuple[str, str, str]]] = {}
        for line in lines:
            if line.get("reason") is None:
                count = self.tokens.setdefault(line["language"], TokenCount())
                count.add(line["input_ids"], chars=line["num_chars"], is_byte=is_byte)
                if (line["split"], line["epoch"], line["repeat"], line["turn"]) == ("train", 0, 0, 0):
                    texts.setdefault(line["task"], []).append(_texts(line))
        for task, members in texts.items():
            self.texts.setdefault(task, TaskTexts()).add(members)

    def merge(self, other: "PartCounts") -> None:
        """Take in what another one counted."""
        for task, texts in other.texts.items():
            self.texts.setdefault(task, TaskTexts()).merge(texts)
        for language, tokens in other.tokens.items():
            self.tokens.setdefault(language, TokenCount()).merge(tokens)

    def write(self, path: Path) -> None:
        """As a JSON file."""
        values = {
            name: {key: one.to_json() for key, one in counts.items()}
            for name, counts in (("texts", self.texts), ("tokens", self.tokens))
        }
        path.write_text(json.dumps(values))

    @classmethod
    def read(cls, path: Path) -> "PartCounts":
        """What `write` wrote."""
        values = json.loads(path.read_text())
        return cls(
            {task: TaskTexts.from_json(one) for task, one in values["texts"].items()},
            {language: TokenCount.from_json(one) for language, one in values["tokens"].items()},
        )

    @classmethod
    def of_parts(cls, work: WorkFolder) -> "PartCounts":
        """Of all parts, one of them in memory at a time."""
        total = cls()
        for part in work.parts(KIND, "json"):
            total.merge(cls.read(work.path(KIND, part, "json")))
        return total


def _texts(line: Mapping[str, Any]) -> tuple[str, str, str]:
    """Instruction, input and trained answer of a row as it was rendered; a conversation's last ones."""
    row = line["row"]
    fields, messages = row["fields"] or {}, row["messages"] or line["messages"]
    return line["instruction"] or "", fields.get("input") or "", said_by(messages[-1])
