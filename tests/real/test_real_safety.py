"""Safety on real corpora: little is lost where texts are clean, much is found where they are labelled."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.sources import expand, read
from hunmin.safety.classifier import load_classifier
from hunmin.safety.config import SafetyConfig
from hunmin.safety.judge import apply_safety, load_detector
from hunmin.safety.lexicon import Lexicon
from launcher.config import load
from tools.train_harm_model import Scores, load_config, part_of, read_examples, score, train

HERE = Path(__file__).parent
KEYWORDS = ("폭력", "차별", "혐오", "불법")
LABELLED = ("korean-hate-speech/labeled", "curse-detection")


def test_the_default_drops_well_under_one_percent_of_clean_rows(shared_data: Path) -> None:
    run, base = load(HERE / "corpus.yaml", [])
    config = SafetyConfig.model_validate({})
    detector = load_detector(config, base)
    rows, dropped = Counter(), Counter()
    for index, source in enumerate(run.data.sources):
        if any(folder in str(source.path) for folder in LABELLED):
            continue
        for unit in expand(source, index=index, base=base):
            for draft in read(unit, source):
                if "reason" not in draft:
                    rows[source.name] += 1
                    judged = apply_safety(normalize_draft(draft)[0], config, None, detector=detector)
                    dropped[source.name] += judged.refusal is not None
    assert rows.total() > 10_000
    assert dropped.total() < 0.002 * rows.total(), dropped
    # Film reviews and game chats swear; a handful of rows says nothing of a rate.
    over = {name: count for name, count in dropped.items() if count > 5 and count >= 0.01 * rows[name]}
    assert not over


@pytest.mark.slow
def test_f1_is_far_above_four_keywords_at_a_precision_of_80_percent(
    shared_data: Path, tmp_path: Path
) -> None:
    config = load_config(HERE / "harm.yaml")
    metrics = train(config, base=HERE, out=tmp_path)
    classifier, lexicon = load_classifier(tmp_path), Lexicon()
    for head, sources in config.heads.items():
        examples, _ = read_examples(sources, base=HERE)
        heldout = [example for example in examples if part_of(example.text, config) == "heldout"]
        positive = np.array([example.positive for example in heldout])

        def scores(said: list[bool], positive: np.ndarray = positive) -> Scores:
            return score(np.array(said), positive)

        baseline = scores([any(word in e.text for word in KEYWORDS) for e in heldout])
        learned = [any(hit.category == head for hit in classifier.find(e.text)) for e in heldout]
        listed = [
            any(hit.category.startswith("bias") == head.startswith("bias") for hit in lexicon.find(e.text))
            for e in heldout
        ]
        for system in (scores(learned), scores([a or b for a, b in zip(learned, listed, strict=True)])):
            if head != "bias:gender" or system == scores(learned):  # the lists know other kinds of bias too
                assert system.precision >= 0.8, head
            assert system.f1 >= baseline.f1 + 0.2, head
        assert metrics[head]["heldout_f1"] == pytest.approx(scores(learned).f1, abs=0.005)


def test_words_alone_are_hardly_ever_wrong(shared_data: Path) -> None:
    config = load_config(HERE / "harm.yaml")
    examples, _ = read_examples(config.heads["harmful"], base=HERE)
    lexicon = Lexicon()
    said = np.array([any(not hit.is_bias for hit in lexicon.find(example.text)) for example in examples])
    result = score(said, np.array([example.positive for example in examples]))
    assert result.precision >= 0.9
    assert result.recall >= 0.15
