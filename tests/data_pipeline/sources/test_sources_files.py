import unicodedata
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.sources import Unit, expand
from hunmin.errors import ConfigError, InputError


def units(base: Path, path: Any, **settings: Any) -> list[Unit]:
    source = SourceConfig.model_validate({"name": "s", "format": "sharegpt", "path": path, **settings})
    return expand(source, index=3, base=base)


def names(base: Path, path: Any, **settings: Any) -> list[str]:
    return [unit.file for unit in units(base, path, **settings)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name in ("b.json", "a.json", "deep/c.json", "deep/er/d.json", "x.en", "x.ko", "y.en", "y.ko"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")
    return tmp_path


def test_a_plain_file_is_named_by_itself(corpus: Path) -> None:
    path = str(corpus / "corpus" / "a.json")
    assert units(corpus, "corpus/a.json") == [Unit(3, "s", "sharegpt", "a.json", (path,))]


def test_a_glob_is_sorted_and_relative_to_its_fixed_folder(corpus: Path) -> None:
    assert names(corpus, "corpus/*.json") == ["a.json", "b.json"]
    assert names(corpus, "corpus/**/*.json") == ["a.json", "b.json", "deep/c.json", "deep/er/d.json"]
    assert names(corpus, "corpus/d*/c.json") == ["deep/c.json"]


def test_the_name_holds_no_machine(corpus: Path) -> None:
    relative = names(corpus / "corpus" / "deep", "../../corpus/*.json")
    assert relative == names(corpus, str(corpus / "corpus" / "*.json")) == ["a.json", "b.json"]


def test_a_folder_means_every_file_below(corpus: Path) -> None:
    assert names(corpus, "corpus/deep") == ["c.json", "er/d.json"]


def test_two_patterns_share_one_folder_so_equal_names_stay_apart(corpus: Path) -> None:
    (corpus / "corpus" / "deep" / "a.json").write_text("[]")
    assert names(corpus, ["corpus/a.json", "corpus/deep/a.json"]) == ["a.json", "deep/a.json"]


def test_a_file_matched_twice_is_read_once(corpus: Path) -> None:
    assert names(corpus, ["corpus/a.json", "corpus/*.json"]) == ["a.json", "b.json"]


def test_a_name_with_glob_signs_that_exists_is_itself(corpus: Path) -> None:
    (corpus / "a[1].json").write_text("[]")
    assert names(corpus, "a[1].json") == ["a[1].json"]


def test_a_decomposed_name_is_composed(corpus: Path) -> None:
    (corpus / unicodedata.normalize("NFD", "한글.json")).write_text("[]")
    assert names(corpus, "*.json") == [unicodedata.normalize("NFC", "한글.json")]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("corpus/a.jsn", "holds no a.jsn; did you mean a.json or b.json?"),
        ("corpsu/a.json", "holds no corpsu; did you mean corpus?"),
        ("corpus/*.csv", "holds no *.csv, it holds a.json, b.json, deep/, x.en, x.ko, y.en and 1 more"),
    ],
)
def test_a_path_that_matches_nothing_names_the_nearest(corpus: Path, path: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        units(corpus, path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"source s: no file at {corpus / path};")


def test_an_empty_folder_says_so(corpus: Path) -> None:
    (corpus / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no file"):
        units(corpus, "empty")
    with pytest.raises(InputError, match="empty is empty"):
        units(corpus, "empty/*.json")


def test_parallel_globs_pair_by_what_the_star_stands_for(corpus: Path) -> None:
    pairs = units(corpus, ["corpus/*.en", "corpus/*.ko"], format="parallel")
    assert [unit.file for unit in pairs] == ["x.en", "y.en"]
    assert [[Path(path).name for path in unit.paths] for unit in pairs] == [
        ["x.en", "x.ko"],
        ["y.en", "y.ko"],
    ]


def test_parallel_paths_by_language(corpus: Path) -> None:
    (pair,) = units(corpus, "corpus/x.{language}", format="parallel", languages=["ko", "en"])
    assert [Path(path).name for path in pair.paths] == ["x.ko", "x.en"]


def test_a_parallel_file_without_partner_is_refused(corpus: Path) -> None:
    (corpus / "corpus" / "z.en").write_text("z")
    with pytest.raises(InputError, match=r"z\.en has no partner among .*\*\.ko"):
        units(corpus, ["corpus/*.en", "corpus/*.ko"], format="parallel")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "parallel", "path": "corpus/x.en"}, "parallel needs two"),
        ({"format": "parallel", "path": ["a", "b", "c"]}, "path has 3 entries"),
        (
            {"labels": {"1": "긍정"}},
            "labels has no meaning for format sharegpt; it is read by alpaca, natural",
        ),
        ({"format": "parallel", "family": "id"}, "family has no meaning for format parallel"),
        ({"encoding": "utf-80"}, "encoding utf-80 is unknown"),
        (
            {"format": "table", "columns": {"inptu": "x", "answer": "y"}},
            "columns.inptu is unknown; did you mean",
        ),
        ({"format": "table", "columns": {"input": "x"}}, "columns names no answer"),
        ({"format": "table", "columns": {"label": "x"}}, "columns names nothing to answer"),
        ({"format": "parallel", "directions": "both", "language": "ko"}, "set languages"),
    ],
)
def test_settings_that_would_not_be_read_are_refused(corpus: Path, settings: dict, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        units(corpus, settings.pop("path", "corpus/a.json"), **settings)
    assert words in str(error.value)
    assert str(error.value).startswith("data.sources[3] (s): ")
