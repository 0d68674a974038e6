"""The classifier: trained on a few made-up texts, written, read again, and refused where it is broken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hunmin.errors import ConfigError, GateError, InputError
from hunmin.safety.classifier import Classifier, Features, Head, load_classifier
from hunmin.safety.config import SafetyConfig
from hunmin.safety.judge import apply_safety, load_detector
from tools.train_harm_model import (
    HarmModelConfig,
    choose_threshold,
    fit,
    load_config,
    main,
    matrix,
    part_of,
    read_clean,
    score,
    train,
)

BAD = ("돌머리", "얼간이", "멍텅구리", "밥버러지")
GOOD = ("친구", "선생님", "이웃", "가족")
ENDS = (
    "야",
    "는 왜 그래",
    "들이 또 왔네",
    " 같은 사람",
    "하고 말했다",
    "랑 만났어",
    "가 싫다",
    "한테 들었다",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with harm.yaml, its table and the model trained on it."""
    folder = tmp_path_factory.mktemp("harm")
    words = [(word, "bad") for word in BAD] + [(word, "good") for word in GOOD]
    lines = ["text\tkind"]
    lines += [
        f"{lead} {word}{end}\t{kind}"
        for lead in ("저", "그", "우리", "아까 그")
        for word, kind in words
        for end in ENDS
    ]
    (folder / "table.tsv").write_text("\n".join(lines), encoding="utf-8")
    source = {
        "name": "table",
        "format": "table",
        "path": "table.tsv",
        "columns": {"input": "text", "label": "kind"},
        "labels": {"bad": "positive", "good": "negative"},
    }
    (folder / "harm.yaml").write_text(
        yaml.safe_dump({"heads": {"harmful": [source]}, "bits": 14}, allow_unicode=True), encoding="utf-8"
    )
    assert main([str(folder / "harm.yaml"), "--out", str(folder / "model")]) == 0
    return folder


def test_it_learns_what_it_is_shown(trained: Path) -> None:
    metrics = json.loads((trained / "model" / "config.json").read_text())["heads"]["harmful"]["metrics"]
    assert metrics["heldout_f1"] > 0.9
    classifier = load_classifier(trained / "model")
    (hit,) = classifier.find("어제 온 얼간이가 싫다")
    assert hit.category == "harmful"
    assert hit.term.startswith("score 0.")
    assert classifier.find("어제 온 선생님이 좋다") == []
    assert classifier.find(" \n ") == []


def test_a_text_is_as_harmful_as_its_worst_line(trained: Path) -> None:
    classifier = load_classifier(trained / "model")
    lines = ["우리 친구랑 만났어", "저 멍텅구리들이 또 왔네"]
    assert classifier.scores("\n".join(lines)) == [max(classifier.scores(line)[0] for line in lines)]


def test_it_stands_beside_the_lexicon(trained: Path) -> None:
    config = SafetyConfig.model_validate({"classifier": "model"})
    detector = load_detector(config, trained)
    fields = dict.fromkeys(("instruction", "input", "rationale", "label", "value"))
    draft: Any = {"fields": fields | {"answer": "저 얼간이야"}, "messages": None, "references": []}
    refusal = apply_safety(draft, config, None, detector=detector).refusal
    assert refusal is not None
    assert refusal[1].startswith("answer: harmful (score 0.")
    assert [hit.category for hit in detector.find("씨발")] == ["profanity"]


def test_a_threshold_of_ones_own(trained: Path) -> None:
    text = "저 얼간이야"
    ((scored,),) = ((load_classifier(trained / "model").scores(text)),)
    assert load_classifier(trained / "model", threshold=scored + 1e-6).find(text) == []
    assert load_classifier(trained / "model", threshold=scored - 1e-6).find(text) != []


def test_the_same_data_gives_the_same_model(trained: Path, tmp_path: Path) -> None:
    main([str(trained / "harm.yaml"), "--out", str(tmp_path)])
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / name).read_bytes() == (trained / "model" / name).read_bytes()


def test_a_repeated_text_never_stands_on_both_sides() -> None:
    config = HarmModelConfig.model_validate({"heads": {"harmful": []}})
    assert part_of("Bad  TEXT ", config) == part_of("bad text", config)
    parts = [part_of(f"글 {index}", config) for index in range(2000)]
    assert 0.15 < parts.count("heldout") / 2000 < 0.25
    assert 0.1 < parts.count("val") / 2000 < 0.2


def test_threshold_is_the_best_f1_that_keeps_the_precision_in_every_source() -> None:
    logits = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    positive = np.array([True, True, False, True, True, False])
    one = np.array(["a"] * 6)
    assert choose_threshold(logits, positive, sources=one, min_precision=0.7) == 1.0
    assert choose_threshold(logits, positive, sources=one, min_precision=0.9) == 4.0
    two = np.array(["a", "b", "b", "a", "b", "a"])  # b: yes, no, yes
    assert choose_threshold(logits, positive, sources=two, min_precision=0.7) == 4.0
    with pytest.raises(GateError, match="lower min_precision"):
        choose_threshold(logits, ~positive, sources=one, min_precision=0.9)


def test_clean_texts_hold_the_threshold_up() -> None:
    logits = np.array([5.0, 4.0, 3.0])
    positive = np.array([True, True, True])
    one = np.array(["a"] * 3)
    assert choose_threshold(logits, positive, sources=one, min_precision=0.5) == 3.0
    assert choose_threshold(logits, positive, sources=one, min_precision=0.5, never_above=3.0) == 4.0


def test_clean_lines_are_drawn_whatever_their_order_and_end_what_looks_like_harm(
    trained: Path, tmp_path: Path
) -> None:
    lines = [f"돌머리 {number}호 돌탑" for number in range(300)]
    raw = yaml.safe_load((trained / "harm.yaml").read_text(encoding="utf-8"))
    raw["heads"]["harmful"][0]["path"] = str(trained / "table.tsv")
    source = {"name": "clean", "format": "table", "path": str(tmp_path / "clean.tsv")}
    raw |= {"clean": [source | {"columns": {"input": "text", "label": "number"}}], "max_clean": 100}
    (tmp_path / "harm.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    config = load_config(tmp_path / "harm.yaml")
    drawn = []
    for ordered in (lines, lines[::-1]):
        text = "\n".join(["text\tnumber", *(f"{line}\t1" for line in ordered)])
        (tmp_path / "clean.tsv").write_text(text, encoding="utf-8")
        drawn.append([example.text for example in read_clean(config, base=tmp_path)])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 100
    train(config, base=tmp_path, out=tmp_path / "model")
    plain, clean = (load_classifier(folder / "model") for folder in (trained, tmp_path))
    assert plain.find("돌머리 7호 돌탑") != []
    assert clean.find("돌머리 7호 돌탑") == []
    assert clean.find("저 얼간이야") != []


def test_scores_by_hand() -> None:
    said = np.array([True, True, False, False])
    result = score(said, np.array([True, False, True, False]))
    assert result == (0.5, 0.5, 0.5, 4, 2)
    assert score(~said & said, said).f1 == 0


def test_the_fit_is_at_a_minimum() -> None:
    """Moving any weight a little makes loss plus penalty larger."""
    config = HarmModelConfig.model_validate({"heads": {"harmful": []}, "penalty": 1.0})
    features = Features(chars=(1, 1), jamo=(7, 7), bits=8)
    x = matrix(["ab", "bc", "cd", "da"], features)
    positive = np.array([True, True, False, False])
    best = fit(x, positive, num_weights=256, config=config)

    def loss(parameters: np.ndarray) -> float:
        margin = np.where(positive, 1, -1) * x.logits(parameters[:-1], parameters[-1])
        return float(np.logaddexp(0, -margin).sum() + 0.5 * parameters[:-1] @ parameters[:-1])

    for index in [*np.flatnonzero(best), 256]:
        for step in (-0.05, 0.05):
            moved = best.copy()
            moved[index] += step
            assert loss(moved) > loss(best)


@given(st.text())
def test_features_of_any_text(text: str) -> None:
    ids = Features(bits=10).ids(text)
    assert len(ids) > 0
    assert (np.diff(ids) > 0).all()
    assert 0 <= ids[0] <= ids[-1] < 1024


def test_features_are_the_same_on_every_machine() -> None:
    assert Features(chars=(1, 2), jamo=(2, 2), bits=16).ids("가a").tolist() == FEATURES


# Written down once: models trained elsewhere rely on them.
FEATURES = [1446, 2869, 7316, 8643, 18976, 22923, 33864, 40063, 60400, 63725]


def test_spelling_that_only_looks_different_has_the_same_features() -> None:
    features = Features()
    assert features.ids("ＡＢＣ").tolist() == features.ids("abc").tolist()
    assert features.ids("안녕ㅋㅋㅋㅋㅋ  하하").tolist() == features.ids("안녕ㅋㅋ 하하").tolist()


def test_an_extreme_score_is_still_a_probability() -> None:
    head = Head("harmful", np.full(2**8, 1e6, np.float32), 0.0, 0.5)
    assert Classifier(Features(bits=8), [head]).scores("가나다") == [1.0]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format_version": 99}', '{"format_version": 1, "features": {}, "heads": {}}']
)
def test_a_broken_folder_is_refused(trained: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "model.safetensors").write_bytes((trained / "model" / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="make harm-model"):
        load_classifier(tmp_path)


def test_a_folder_that_lacks_something_is_refused_in_words(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent does not exist; needed is a folder .*make harm-model"):
        load_classifier(tmp_path / "absent")
    (tmp_path / "config.json").write_bytes((trained / "model" / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"/model\.safetensors does not exist; needed is"):
        load_classifier(tmp_path)


def test_weights_of_another_size_are_refused(trained: Path, tmp_path: Path) -> None:
    config = (trained / "model" / "config.json").read_text().replace('"bits": 14', '"bits": 15', 1)
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes((trained / "model" / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"shape \(16384,\), needed \(32768,\)"):
        load_classifier(tmp_path)


def test_wrong_configs_are_refused_in_words(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "harm.yaml"
    path.write_text("heads: {harmful: 3}")
    with pytest.raises(ConfigError, match=r"heads\.harmful"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
    raw = yaml.safe_load((trained / "harm.yaml").read_text(encoding="utf-8"))
    raw["heads"]["harmful"][0] |= {"path": str(trained / "table.tsv"), "labels": {"bad": "yes", "good": "no"}}
    path.write_text(yaml.safe_dump(raw))
    assert main([str(path), "--out", str(tmp_path / "model")]) == 2
    assert "map every label to positive or negative" in capsys.readouterr().err
