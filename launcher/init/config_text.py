"""The config as commented YAML, with defaults for a small model that fit the corpus."""

import math
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data_pipeline.config import SourceConfig
from hunmin.errors import InputError
from launcher.init.detected import Detected
from launcher.init.trial_read import Counts

SEQ_LENS = (256, 512, 1024, 2048)
CHARS_PER_TOKEN = 1.2  # of a small vocabulary trained on Korean: on the safe side
AROUND = 80  # tokens of the wording and the template


def render_config(
    out: Path,
    sources: Sequence[Detected],
    counts: Counts,
    *,
    own_tasks: bool,
    base: Path,
) -> str:
    """The text of the config."""
    typed = shlex.quote(str(out))
    name = re.sub(r"[^\w.-]+", "-", out.stem).strip("-.") or "my"
    seq_len = _seq_len(counts)
    vocab = _vocab_size(counts)
    epochs = max(1, min(12, 12_000 // max(1, counts.kept)))
    val, heldout = (0.1, 0.2) if counts.kept < 200 else (0.05, 0.1)
    blocks = "\n".join(_source_block(one.source, base) for one in sources)
    tasks = "\n  tasks: tasks # the folder with the task files of your own" if own_tasks else ""
    return f"""\
# Written by hunmin init; every value can be changed here or as in: hunmin run {typed} KEY=VALUE
name: {_scalar(name)} # the run folder is runs/{name}
seed: 0 # splits, wordings, weights and the order of packs follow from it

# A small model with random weights, which learns this corpus in minutes and no language at large.
# To tune a model that exists, write instead of the three lines below
#   path: a hub id or a local folder   (and train.learning_rate: 2.0e-5, data.seq_len as it allows)
model:
  from_scratch: {{hidden_size: 192, num_layers: 4, num_heads: 4, vocab_size: {vocab}}}

data:
  sources:
{blocks}{tasks}
  template: chat # how a conversation becomes tokens: the tokenizer's own chat template
  seq_len: {seq_len} # tokens in a pack; a longer row is rejected as too_long
  epochs: {epochs} # times the corpus is seen
  split: {{val: {val}, heldout: {heldout}}} # watched while training; asked at the end

train:
  global_batch_size: 4 # packs per step
  learning_rate: 1.5e-3 # high, for the weights are random
  weight_decay: 0.1
  warmup_ratio: 0.05
  val_interval: 50
  save_interval: 100

eval:
  max_new_tokens: {_max_new_tokens(counts)} # longer answers are cut

# Two workers on CPU cores; on a machine with GPUs: num_workers their number, gpus_per_worker 1.
cluster: {{num_cpus: 2, num_workers: 2, gpus_per_worker: 0}}
"""


def _seq_len(counts: Counts) -> int:
    """Long enough for nearly every row with a wording and the template around it."""
    chars = sorted(counts.chars)[math.ceil(0.99 * len(counts.chars)) - 1]
    return next((size for size in SEQ_LENS if _tokens(chars) <= size), SEQ_LENS[-1])


def _tokens(chars: int) -> float:
    return chars / CHARS_PER_TOKEN + AROUND


def too_long(counts: Counts) -> list[str]:
    """What to decide where rows may not fit in a pack of the chosen length.

    Raises:
        InputError: none can fit, however well the tokenizer packs their text.
    """
    if all(tokens + AROUND > SEQ_LENS[-1] for tokens in counts.least_tokens):
        raise InputError(
            f"every row is longer than a pack of {SEQ_LENS[-1]} tokens, the shortest has "
            f"{min(counts.chars)} characters; cut the texts into shorter ones"
        )
    size = _seq_len(counts)
    share = sum(_tokens(chars) > size for chars in counts.chars) / len(counts.chars)
    if share == 0:
        return []
    shown = "under 1" if share < 0.01 else f"{100 * share:.0f}"
    return [
        f"data.seq_len: {shown} % of the rows may be longer than its {size} tokens; what is longer is "
        "rejected as too_long; cut such texts, or raise it if the memory allows"
    ]


def _vocab_size(counts: Counts) -> int:
    """An upper bound that leaves room for every character seen."""
    return min(16_000, max(2400, 100 * math.ceil((1500 + 1.5 * len(counts.letters)) / 100)))


def _max_new_tokens(counts: Counts) -> int:
    return 64 if _seq_len(counts) <= 512 else 256


def _source_block(source: SourceConfig, base: Path) -> str:
    """A source as YAML lines; what has its default value is left away."""
    lines = [f"    - name: {_scalar(source.name)}", f"      format: {source.format}"]
    paths = [source.path] if isinstance(source.path, str) else list(source.path)
    relative = [os.path.relpath(Path(path).resolve(), base) for path in paths]
    shown = _scalar(relative[0]) if len(relative) == 1 else "[" + ", ".join(map(_scalar, relative)) + "]"
    lines.append(f"      path: {shown}")
    if source.join is not None:
        other = os.path.relpath(Path(str(source.join.path)).resolve(), base)
        pair = f"path: {_scalar(other)}, by: {', '.join(map(_scalar, source.join.keys))}"
        lines.append(
            f"      join: {{{pair}}} # its records, by their id; columns read {source.join.under}.KEY"
        )
    settings = (
        "task",
        "each",
        "encoding",
        "delimiter",
        "quoted",
        "header",
        "ignore",
        "languages",
        "directions",
    )
    for key in settings:
        value = getattr(source, key)
        if value == SourceConfig.model_fields[key].default:
            continue
        shown = f"[{', '.join(map(_scalar, value))}]" if isinstance(value, tuple) else _scalar(value)
        lines.append(f"      {key}: {shown}")
    for key, comment in (
        ("columns", "our field: the file's column"),
        ("labels", "the file's value: the answer"),
    ):
        pairs = ", ".join(f"{_scalar(a)}: {_scalar(b)}" for a, b in getattr(source, key).items())
        if pairs:
            lines.append(f"      {key}: {{{pairs}}} # {comment}")
    if source.filters:
        rules = (
            f"{{column: {_scalar(rule.column)}, values: [{', '.join(map(_scalar, rule.values))}]}}"
            for rule in source.filters
        )
        lines.append(f"      filters: [{', '.join(rules)}] # rows that are kept")
    lines.append("      licence: unknown # of the corpus; the report shows it")
    return "\n".join(lines)


def _scalar(value: Any) -> str:
    """A value inside a YAML flow: plain where that reads back the same, else in double quotes."""
    if not isinstance(value, str):
        return yaml.safe_dump(value).splitlines()[0]
    if re.fullmatch(r"[^\W\d_][\w./-]*", value) and yaml.safe_load(value) == value:
        return value
    return yaml.safe_dump(value, allow_unicode=True, default_style='"', width=10**9).strip()
