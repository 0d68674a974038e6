"""`hunmin report`: what its arguments mean, and the page of several runs."""

from pathlib import Path

import pytest

from hunmin.errors import InputError
from launcher.inspect.report_of import Asked, as_text, page_name, what_is_asked, write_beside


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runs named a and b."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("name: x\n")
    monkeypatch.setenv("HUNMIN_RUNS", str(tmp_path))
    return tmp_path


def asked(
    *arguments: str, run_dir: Path | None = None, force: bool = False, out: Path | None = None
) -> Asked:
    return what_is_asked(Path(arguments[0]), arguments[1:], run_dir=run_dir, force=force, out=out)


def test_a_config_with_its_overrides(runs: Path) -> None:
    config = Path("configs/quickstart.yaml")
    assert asked(str(config), "seed=1", run_dir=runs) == Asked(config, ["seed=1"], runs, [])


def test_one_run_by_folder_or_name(runs: Path) -> None:
    wanted = Asked(runs / "a" / "config.yaml", [], runs / "a", [])
    assert asked(str(runs / "a")) == wanted == asked("a")


def test_several_runs(runs: Path) -> None:
    assert asked("a", str(runs / "b")).runs == [runs / "a", runs / "b"]


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("a", "seed=1"), {}, "seed=1: only with a config file, and this is the run"),
        (("a", "b", "seed=1"), {}, "seed=1: only with a config file"),
        (("a", "c"), {}, "c: no such run folder"),
        (("missing.yaml", "b"), {}, "missing.yaml: no such run folder"),
        (("a", "b"), {"force": True}, "--force: only with one run, and these are 2"),
        (("a",), {"run_dir": Path("x")}, "--run: only with a config file"),
        (("a",), {"out": Path("x.html")}, "--out: only with several runs side by side"),
        (("x.yaml",), {"out": Path("x.html")}, "--out: only with several runs side by side"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_what_would_do_nothing_is_refused(arguments: tuple[str, ...], options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked(*arguments, **options)


def test_the_page_is_named_after_its_runs() -> None:
    assert page_name(["plain", "앞말"]) == "plain-beside-앞말.html"
    many = page_name([f"실행-{number}" for number in range(40)])
    assert len(many.encode()) <= 255
    assert many != page_name([f"실행-{number}" for number in range(41)])


def test_a_page_that_cannot_be_written_is_said_before_anything_is_read(runs: Path) -> None:
    pair = [runs / "a", runs / "b"]
    with pytest.raises(InputError, match="it is a folder"):
        write_beside(pair, out=runs)
    with pytest.raises(InputError, match="no folder"):
        write_beside(pair, out=runs / "none" / "x.html")


def test_what_is_not_comparable_is_said_in_words() -> None:
    page = {
        "report": "x.html",
        "runs": {"A": "runs/a", "B": "runs/b"},
        "standings": [{"letter": "B", "name": "b", "num_tasks": 0, "better": 0, "worse": 0, "unclear": 0}],
        "partial": {"감성": {"shared": 0, "asked": [20, 12]}},
    }
    assert as_text(page).splitlines()[2:] == [
        "B: not comparable: no held-out sample is shared with A",
        "감성: no sample was asked of all, of 20 in A, 12 in B",
        "report:  x.html",
    ]
