"""Seconds and CPU seconds from an Alpaca file to packs: hunmin data, and datasets.map with TRL's packing.

    python benchmarks/corpus_speed.py corpus/*.jsonl --rows 10 20000 --model FOLDER --repeats 3

The rows of the files are replicated to each size with their words in another order. `hunmin data` runs with
everything on, and with its checks off; the peer reads the same file, renders and tokenizes each row with
the same chat template and masks the prompt (`datasets.map`, two processes), then packs (`trl.pack_dataset`,
best fit). It checks nothing. All run one after another in each repeat, each in a process of its own; printed
are medians of wall seconds, and of CPU seconds of the process and all its children. The peer is left out
where trl is not installed (make .venv/.templates-done).
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from corpus_build import rows_of

SAMPLE_S = 0.05
CHECKS_OFF = ("data.dedup.near=false", "data.dedup.exact=false", "data.safety.action=keep")
CHECKS_OFF += ("data.safety.bias=keep", "data.safety.personal_data.action=keep")
CHECKS_OFF += ("data.allow_contamination=benchmark",)

PEER = """
import sys
from datasets import load_dataset
from transformers import AutoTokenizer
from trl.data_utils import pack_dataset
path, folder, cache = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)

def encode(row):
    asked = row["instruction"] + ("\\n\\n" + row["input"] if row["input"] else "")
    question = [{"role": "user", "content": asked}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=False)
    answer = {"role": "assistant", "content": row["output"]}
    ids = tokenizer.apply_chat_template([*question, answer], return_dict=False)
    return {"input_ids": ids, "completion_mask": [0] * len(prompt) + [1] * (len(ids) - len(prompt))}

rows = load_dataset("json", data_files=path, split="train", cache_dir=cache)
rows = rows.map(encode, num_proc=2, remove_columns=rows.column_names)
packed = pack_dataset(rows.filter(lambda row: len(row["input_ids"]) <= 1024, num_proc=2), 1024, "bfd")
print(len(packed))
"""


def write_rows(paths: list[Path], out: Path, count: int) -> None:
    """So many rows; those beyond the files' own have their words in another order."""
    written = copy = 0
    with out.open("w", encoding="utf-8") as handle:
        while written < count:
            for index, row in enumerate(rows_of(paths)):
                order = random.Random(f"{copy}-{index}")
                if copy:
                    row = {
                        name: " ".join(order.sample(words := text.split(), len(words)))
                        for name, text in row.items()
                    }
                handle.write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
                if written == count:
                    return
            copy += 1


def cpu_seconds(processes: dict[int, float], root: psutil.Process) -> None:
    """Note the CPU seconds of a process and its children, of each as last seen."""
    for process in [root, *root.children(recursive=True)]:
        try:
            used = process.cpu_times()
        except psutil.Error:
            continue
        processes[process.pid] = used.user + used.system


def measure(command: list[str], log: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a command."""
    seen: dict[int, float] = {}
    start = time.monotonic()
    with log.open("w") as out:
        running = psutil.Popen(command, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        while running.poll() is None:
            cpu_seconds(seen, running)
            time.sleep(SAMPLE_S)
    if running.returncode:
        sys.exit(f"{command[:4]} ended with {running.returncode}:\n{log.read_text()[-2000:]}")
    return time.monotonic() - start, sum(seen.values())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rows", nargs="+", type=int, default=[10, 20_000])
    parser.add_argument(
        "--model", required=True, type=Path, help="a folder with a tokenizer and its template"
    )
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    has_peer = not subprocess.run(
        [sys.executable, "-c", "import trl.data_utils"], capture_output=True
    ).returncode
    for count in asked.rows:
        found: dict[str, list[tuple[float, float]]] = {}
        with tempfile.TemporaryDirectory(prefix="hunmin-speed-") as name:
            folder = Path(name)
            corpus, config = folder / "rows.jsonl", folder / "c.yaml"
            write_rows(asked.files, corpus, count)
            config.write_text(
                f"name: speed\nmodel: {{path: {asked.model.resolve()}}}\n"
                "data: {allow_contamination: benchmark, "
                "sources: [{name: a, format: alpaca, path: rows.jsonl}]}\n"
            )
            for repeat in range(asked.repeats):
                ours = [sys.executable, "-m", "launcher", "data", str(config), "--run"]
                ways = {
                    "hunmin": [*ours, str(folder / f"all{repeat}")],
                    "hunmin, checks off": [*ours, str(folder / f"off{repeat}"), *CHECKS_OFF],
                }
                if has_peer:
                    cache = str(folder / f"cache{repeat}")
                    ways["datasets + TRL"] = [
                        sys.executable,
                        "-c",
                        PEER,
                        str(corpus),
                        str(asked.model),
                        cache,
                    ]
                for way, command in ways.items():
                    found.setdefault(way, []).append(measure(command, folder / "log"))
        for way, seconds in found.items():
            wall, cpu = (statistics.median(column) for column in zip(*seconds, strict=True))
            print(f"{count} rows, {way}: {wall:.1f} s wall, {cpu:.1f} CPU s", flush=True)


if __name__ == "__main__":
    main()
