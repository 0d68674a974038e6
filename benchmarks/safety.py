"""How well harmful and biased text is found, beside four keywords; what is lost on other corpora; how fast.

    python benchmarks/safety.py quality DATA.yaml [--seed N …]   F1 on the held-out part, a model per seed
    python benchmarks/safety.py corpus RUN.yaml [--classifier FOLDER]   rows that the default config drops
    python benchmarks/safety.py speed

DATA.yaml is what `make harm-model` takes (docs/safety.md); RUN.yaml is a run's config.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.sources import expand, read
from hunmin.safety.classifier import load_classifier
from hunmin.safety.config import SafetyConfig
from hunmin.safety.detector import Detector
from hunmin.safety.judge import apply_safety, load_detector
from hunmin.safety.lexicon import Lexicon
from launcher.config import load
from tools.train_harm_model import Example, load_config, part_of, read_examples, score, train

KEYWORDS = ("폭력", "차별", "혐오", "불법")
FAMILIES = {"harmful": lambda c: not c.startswith("bias"), "bias": lambda c: c.startswith("bias")}
HEADER = (
    "| head, set | held-out texts (positive) | system | precision | recall | F1 |\n|---|---|---|---|---|---|"
)


def says(detector: Detector, wanted: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a detector finds a wanted category."""
    return lambda text: any(wanted(hit.category) for hit in detector.find(text))


def print_scores(name: str, examples: list[Example], systems: dict[str, Callable[[str], bool]]) -> None:
    positive = np.array([example.positive for example in examples])
    said = {system: np.array([ask(example.text) for example in examples]) for system, ask in systems.items()}
    said["lexicon or classifier"] = said["lexicon"] | said["classifier"]
    for system, answers in said.items():
        s = score(answers, positive)
        print(
            f"| {name} | {s.n} ({s.positives}) | {system} | {s.precision:.3f} | {s.recall:.3f} | {s.f1:.3f} |"
        )


def quality(path: Path, seeds: list[int]) -> None:
    lexicon = Lexicon()
    print(HEADER)
    for seed in seeds:
        config = load_config(path).model_copy(update={"seed": seed})
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            train(config, base=path.parent, out=Path(folder))
            seconds = time.process_time() - start
            classifier = load_classifier(Path(folder))
        for head, sources in config.heads.items():
            examples = [
                e for e in read_examples(sources, base=path.parent)[0] if part_of(e.text, config) == "heldout"
            ]
            systems: dict[str, Callable[[str], bool]] = {
                "four keywords": lambda text: any(word in text for word in KEYWORDS),
                "lexicon": says(lexicon, FAMILIES.get(head, head.__eq__)),
                "classifier": says(classifier, head.__eq__),
            }
            for name in dict.fromkeys(e.source for e in examples):
                print_scores(
                    f"seed {seed}, {head}, {name}", [e for e in examples if e.source == name], systems
                )
            if len(sources) > 1:
                print_scores(f"seed {seed}, {head}, all", examples, systems)
        print(f"\nseed {seed}: training took {seconds:.0f} CPU seconds for {len(config.heads)} heads\n")


def corpus(path: Path, classifier: Path | None) -> None:
    """Rows dropped and flagged by the default config; no row in the output."""
    run, base = load(path, [])
    given = {"classifier": str(classifier.resolve())} if classifier else {}
    config = SafetyConfig.model_validate(given)
    detector = load_detector(config, base)
    for index, source in enumerate(run.data.sources):
        counts: Counter[str] = Counter()
        for unit in expand(source, index=index, base=base):
            for draft in read(unit, source):
                if "reason" in draft:
                    continue
                draft, _ = normalize_draft(draft)
                judged = apply_safety(draft, config, None, detector=detector)
                counts.update(["rows", *judged.flags, *judged.transforms])
                counts.update([judged.refusal[0]] if judged.refusal else [])
        rows = counts.pop("rows", 0)
        dropped = counts.pop("harmful_content", 0)
        rest = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        print(f"| {source.name} | {rows} | {dropped} | {dropped / max(rows, 1):.2%} | {rest} |", flush=True)


ROWS = (
    (
        "다음 문장을 영어로 옮겨 주세요.",
        "어제 도서관에서 책을 두 권 빌렸는데 2024년 3월 5일까지 돌려줘야 해요.",
    ),
    ("이 리뷰가 긍정인지 부정인지 말해 줘.", "배우들 연기는 좋았는데 이야기가 너무 느려서 졸았어요 ㅋㅋ"),
    (
        "Summarize the text in one sentence.",
        "The committee met on 12 May and agreed to raise fees by 3.5 percent.",
    ),
    ("서울에서 부산까지 얼마나 걸려?", None),
)


def speed(num_rows: int = 40_000) -> None:
    """Rows a second in one process, on short rows of instruction, input and answer."""
    config = SafetyConfig.model_validate({})
    detector = load_detector(config, Path())
    drafts: list[Any] = [
        {
            "fields": dict.fromkeys(("rationale", "label", "value"))
            | {"instruction": instruction, "input": text, "answer": f"예시 답변 {index} 번입니다."},
            "messages": None,
            "references": [f"예시 답변 {index} 번입니다."],
        }
        for index in range(num_rows // len(ROWS))
        for instruction, text in ROWS
    ]
    start = time.process_time()
    for draft in drafts:
        apply_safety(draft, config, None, detector=detector)
    seconds = time.process_time() - start
    print(f"{len(drafts)} rows in {seconds:.2f} CPU seconds: {len(drafts) / seconds:,.0f} rows/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("quality", "corpus", "speed"))
    parser.add_argument("path", type=Path, nargs="?", default=Path("tests/real/harm.yaml"))
    parser.add_argument("--classifier", type=Path, help="corpus: a folder, beside the word lists")
    parser.add_argument("--seed", type=int, action="append")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "quality":
        quality(given.path, given.seed or [0])
    elif given.what == "corpus":
        corpus(given.path, given.classifier)
    else:
        speed()


if __name__ == "__main__":
    main()
