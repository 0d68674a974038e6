"""Memory and throughput of the data stage at several sizes of one corpus.

    python benchmarks/corpus_build.py corpus/*.jsonl --copies 3 30 --model FOLDER

The rows of the files (Alpaca: instruction, input, output) are replicated with their words in another order,
so that copies are neither duplicates nor leaks, and `hunmin data` is run on each size. Twice a second the
private memory (unique set size, by psutil) of the driver and of every Ray worker is read. Printed: their
peaks, what the build had said last when the driver was at its peak, rows and tokens a second, and the ratios
of the largest size to the smallest.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

SAMPLE_S = 0.5


def rows_of(paths: list[Path]) -> Iterator[dict[str, str]]:
    """Rows of files of one JSON object a line, or of one JSON array."""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        lines = json.loads(text) if text.lstrip().startswith("[") else map(json.loads, text.splitlines())
        for line in lines:
            answer = line.get("output", line.get("response"))
            yield {"instruction": line["instruction"], "input": line.get("input", ""), "output": answer}


def shuffled(text: str, order: random.Random) -> str:
    """The words in another order, with a number so that a short text is another one too."""
    words = [*text.split(), str(order.randrange(10**9))]
    order.shuffle(words)
    return " ".join(words)


def replicate(paths: list[Path], out: Path, copies: int) -> int:
    """Write the corpus; its rows."""
    count = 0
    with out.open("w", encoding="utf-8") as handle:
        for copy in range(copies):
            for index, row in enumerate(rows_of(paths)):
                order = random.Random(f"{copy}-{index}")
                copied = {name: shuffled(text, order) for name, text in row.items()} if copy else row
                handle.write(json.dumps(copied, ensure_ascii=False) + "\n")
                count += 1
    return count


def measure(config: Path, run: Path, overrides: list[str]) -> tuple[dict[str, float], str]:
    """Run the data stage; its seconds and the peaks of private memory in MiB, and when the driver's was."""
    command = [sys.executable, "-m", "launcher", "data", str(config), "--run", str(run), *overrides]
    start = time.monotonic()
    log = run.with_suffix(".log")
    peaks = {"driver": 0.0, "worker": 0.0, "all": 0.0}
    said = ""
    with log.open("w") as out:
        driver = psutil.Popen(command, stdout=out, stderr=out)
        while driver.poll() is None:
            now = {"driver": 0.0, "worker": 0.0, "all": 0.0}
            for process in [driver, *driver.children(recursive=True)]:
                try:
                    name, uss = process.name(), process.memory_full_info().uss / 2**20
                except psutil.Error:  # it ended in between
                    continue
                if process.pid == driver.pid:
                    now["driver"] = uss
                elif name.startswith("ray::"):
                    now["worker"] = max(now["worker"], uss)
                else:
                    continue  # raylet and its helpers: not ours
                now["all"] += uss
            if now["driver"] > peaks["driver"]:
                said = last_line(log)
            peaks = {key: max(peaks[key], now[key]) for key in peaks}
            time.sleep(SAMPLE_S)
    if driver.returncode:
        sys.exit(f"hunmin data ended with {driver.returncode}:\n{log.read_text()}")
    return peaks | {"seconds": time.monotonic() - start}, said


def last_line(log: Path) -> str:
    """Of a log that is being written."""
    return "".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--copies", nargs="+", type=int, default=[3, 30])
    parser.add_argument("--model", required=True, type=Path, help="a folder with a tokenizer")
    parser.add_argument("--template", default="chat")
    parser.add_argument("overrides", nargs="*", help="key=value, after --")
    asked, overrides = parser.parse_known_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="hunmin-corpus-") as name:
        folder = Path(name)
        for copies in asked.copies:
            corpus = folder / f"x{copies}.jsonl"
            rows = replicate(asked.files, corpus, copies)
            config = folder / f"x{copies}.yaml"
            config.write_text(
                f"name: x{copies}\nmodel: {{path: {asked.model.resolve()}}}\n"
                f"data: {{template: {asked.template},\n"
                f"       sources: [{{name: a, format: alpaca, path: {corpus}}}]}}\n"
            )
            size = corpus.stat().st_size
            found, said = measure(config, folder / f"run{copies}", overrides)
            stats = json.loads((folder / f"run{copies}" / "data" / "stats.json").read_text())
            tokens = sum(split["tokens"] for split in stats["splits"].values())
            found |= {"copies": copies, "rows": rows, "MB": size / 1e6}
            found |= {"rows_per_s": rows / found["seconds"], "tokens_per_s": tokens / found["seconds"]}
            results.append(found)
            print(json.dumps({key: round(value, 1) for key, value in found.items()}), flush=True)
            print(f"  the driver was at its peak after: {said}", flush=True)
    for key in ("driver", "worker", "all"):
        print(f"{key}: x{asked.copies[-1]} / x{asked.copies[0]} = {results[-1][key] / results[0][key]:.3f}")


if __name__ == "__main__":
    main()
