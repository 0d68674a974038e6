"""What the pages say is so: commands, links, configs, examples, tables."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from data_pipeline import reasons
from data_pipeline.config import FORMATS as FORMAT_NAMES
from data_pipeline.config import SourceConfig
from data_pipeline.sources import expand, read
from data_pipeline.sources.settings import check_settings
from hunmin import errors
from launcher.cli import app
from launcher.config import RunConfig, load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not {"runs", "old"} & set(page.relative_to(ROOT).parts)
    and not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
README, FORMATS = ROOT / "README.md", ROOT / "docs" / "formats.md"
RUNNING, PROOFS = ROOT / "docs" / "running.md", ROOT / "docs" / "proofs.md"
LOG, GLOSSARY = ROOT / "benchmarks" / "LOG.md", ROOT / "docs" / "glossary.md"
SECTIONS = "model|data|train|eval|cluster"


@dataclass(frozen=True)
class Block:
    """A fenced code block: language, the rest of its first line (a file name), text."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [Block(*parts) for parts in found]


def prose(page: Path) -> str:
    return re.sub(r"^```.*\n(?:.*\n)*?```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def inline_code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands(page: Path) -> list[list[str]]:
    """Words of each command line, in blocks and in the text, with the program's folder left away."""
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines if re.match(r"(\S*/)?(hunmin|make)\s", line)]
    split += [code.split() for code in inline_code(page) if re.match(r"(hunmin|make) ", code)]
    return [[Path(words[0]).name, *words[1:]] for words in split]


def source_entries(value: Any) -> Iterator[dict[str, Any]]:
    """Every source entry in a YAML value, however deep."""
    if isinstance(value, dict) and {"name", "format", "path"} <= value.keys():
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from source_entries(item)


def yaml_blocks(page: Path) -> list[Any]:
    configs = (block for block in blocks(page) if block.language == "yaml" and not block.title)
    return [yaml.safe_load(block.text) for block in configs]


def knows(model: Any, path: list[str]) -> bool:
    """Whether a config model has the dotted path."""
    if not path:
        return True
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or path[0] not in model.model_fields:
        return False
    annotation = model.model_fields[path[0]].annotation
    inner = [annotation, *getattr(annotation, "__args__", ())]
    return len(path) == 1 or any(knows(one, path[1:]) for one in inner)


def dotted(value: dict[str, Any], at: str = "") -> Iterator[str]:
    """Dotted keys of a config fragment, lists left whole."""
    for key, item in value.items():
        yield f"{at}{key}"
        if isinstance(item, dict):
            yield from dotted(item, f"{at}{key}.")


def section(page: Path, title: str) -> str:
    """What stands below a heading, up to the next of its level."""
    return page.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def names(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


def test_the_pages_are_found() -> None:
    assert {
        "README.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/formats.md",
        "docs/decisions.md",
    } <= set(names(PAGES))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"{page.name}: {target}"
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M) if anchor else []
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert not anchor or anchor in slugs, f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_files_named_in_the_text_exist(page: Path) -> None:
    tops = "hunmin|data_pipeline|trainer|eval|launcher|tools|tests|configs|docs|examples|benchmarks|slurm"
    for code in inline_code(page):
        if re.fullmatch(rf"(?:{tops})/[\w./-]*\.(?:py|yaml|md)", code):
            assert (ROOT / code).exists(), f"{page.name}: {code}"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_link_that_shows_a_file_leads_to_that_file(page: Path) -> None:
    for shown, target in re.findall(r"\[([\w./-]+\.(?:py|md|yaml|j2))\]\(([^)\s#]+)", prose(page)):
        there = (page.parent / target).resolve().relative_to(ROOT).as_posix()
        assert f"/{there}".endswith(f"/{shown.removeprefix('../')}"), f"{page.name}: [{shown}]({target})"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for program, *words in commands(page):
        if program == "make":
            goals = [word for word in words if "=" not in word]
            assert set(goals) <= targets, f"{page.name}: make {' '.join(words)}"
            continue
        if words[0].startswith("--"):
            assert words == ["--help"]
            continue
        name, *rest = words
        assert name in known, f"{page.name}: hunmin {name}"
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, f"{page.name}: {rest}"
        if rest and rest[0].startswith("configs/"):
            load(ROOT / rest[0], [word for word in rest if "=" in word])


def in_english(link: str, folder: Path) -> str:
    """The English page of a link; without its anchor where a Korean page has headings of its own."""
    path, _, anchor = link.replace(".ko.md", ".md").partition("#")
    has_twin = (folder / path).with_suffix(".ko.md").exists()
    return path if has_twin or not anchor else f"{path}#{anchor}"


@pytest.mark.parametrize("name", ["README", "docs/tutorial", "docs/proofs", "docs/running", "docs/scoring"])
def test_both_languages_hold_the_same(name: str) -> None:
    english, korean = ROOT / f"{name}.md", ROOT / f"{name}.ko.md"
    assert blocks(english) == blocks(korean), f"{korean.name}: its code blocks differ from {english.name}'s"
    counts = []
    for page in (english, korean):
        titles = re.findall(r"^(#+) ", prose(page), re.MULTILINE)
        rows = len(re.findall(r"^\|", prose(page), re.MULTILINE))
        items = len(re.findall(r"^- ", prose(page), re.MULTILINE))
        counts.append((titles, rows, items))
    assert counts[0] == counts[1], f"{korean.name}: other headings, table rows or list items"
    links = [set(re.findall(r"\]\(([^)\s]+)\)", prose(page))) for page in (english, korean)]
    plain = [{in_english(link, english.parent) for link in found if "README" not in link} for found in links]
    assert plain[0] == plain[1]
    text = re.sub(r"\[[\w.]+\.py\]\([^)]*\)", "", prose(korean))
    assert sum("가" <= char <= "힣" for char in text) > 0.3 * len(text)


def test_the_readme_shows_every_command() -> None:
    known: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = {words[1] for words in commands(README) if words[0] == "hunmin" and len(words) > 1}
    assert set(known) <= named | {"train", "eval", "report"}


def test_the_readme_shows_the_commands() -> None:
    found = commands(README)
    assert ["make", "quickstart"] in found
    assert ["make", "test"] in found
    assert {words[1] for words in found if words[0] == "hunmin"} >= {"run", "data"}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_config_keys_exist(page: Path) -> None:
    keys = [code for code in inline_code(page) if re.fullmatch(rf"(?:{SECTIONS})(?:\.[a-z_]+)+", code)]
    for value in yaml_blocks(page):
        if isinstance(value, dict) and value.keys() <= RunConfig.model_fields.keys():
            keys += dotted(value)
    wrong = [key for key in keys if not knows(RunConfig, key.split("."))]
    assert not wrong, f"{page.name}: {wrong}"


@pytest.mark.parametrize("page", [README, FORMATS], ids=names([README, FORMATS]))
def test_source_entries_are_accepted(page: Path) -> None:
    entries = [entry for value in yaml_blocks(page) for entry in source_entries(value)]
    assert entries
    if page == FORMATS:
        assert {entry["format"] for entry in entries} | {"vicuna"} == set(FORMAT_NAMES)
    for entry in entries:
        check_settings(SourceConfig.model_validate(entry), index=0)


def test_every_example_of_a_format_is_read_whole(tmp_path: Path) -> None:
    for block in blocks(FORMATS):
        if block.title:
            path = tmp_path / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    counts = {}
    for value in yaml_blocks(FORMATS):
        for entry in source_entries(value):
            source = SourceConfig.model_validate(entry)
            if source.path == "hub:OWNER/NAME":
                continue
            rows = [row for unit in expand(source, index=0, base=tmp_path) for row in read(unit, source)]
            assert not [row for row in rows if "reason" in row], entry["name"]
            counts[entry["name"]] = len(rows)
    assert counts == {
        "alpaca": 3,
        "pairs": 2,
        "two-turns": 1,
        "chats": 1,
        "turns": 3,
        "weather": 2,
        "calls": 1,
        "trees": 2,
        "antonyms": 2,
        "ratings": 2,
        "choices": 2,
        "inference": 2,
        "seeds": 2,
        "reviews": 2,
        "joined": 2,
        "news": 6,
        "menu": 4,
    }


def test_every_field_of_a_source_is_in_the_table() -> None:
    table = FORMATS.read_text(encoding="utf-8").split("## Fields of a source")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(SourceConfig.model_fields)


def test_every_reason_of_a_reader_is_in_the_table() -> None:
    wanted = [f"| `{code}` | {meaning} |" for code, meaning in reasons.READING.items()]
    table = FORMATS.read_text(encoding="utf-8").split("## Reasons")[1]
    found = [line for line in table.splitlines() if line.startswith("| `")]
    assert found == wanted, "docs/formats.md, Reasons: replace the table's lines by\n" + "\n".join(wanted)


def test_what_init_reads_is_said_once() -> None:
    said = re.findall(r"`(\w+)`", section(FORMATS, "What `hunmin init` reads"))
    assert {name for name in said if name in FORMAT_NAMES} == set(FORMAT_NAMES) - {"vicuna"}


@pytest.mark.parametrize("page", [PROOFS, PROOFS.with_suffix(".ko.md")], ids=["en", "ko"])
def test_every_promise_names_files_that_hold_tests(page: Path) -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)[1:]
    assert len(rows) > 50
    for promise, tests in rows:
        paths = re.findall(r"\[[^]]+\]\((\.\./tests/[^)]+\.py)\)", tests)
        assert paths, promise
        for path in paths:
            text = (page.parent / path).read_text(encoding="utf-8")
            assert re.search(r"^\s*def test_", text, re.MULTILINE), path


def test_figures_of_the_readme_stand_in_the_log() -> None:
    log = LOG.read_text(encoding="utf-8")
    for page in (README, README.with_suffix(".ko.md")):
        text = page.read_text(encoding="utf-8")
        table = re.search(r"^\|.+\|$\n\|---\|---\|---\|\n((?:\|.+\n)+)", text, re.MULTILINE)
        assert table
        for row in table[1].splitlines():
            for figure in re.findall(r"\d[\d.,]*(?:e-\d+)?", row.split("|")[2]):
                assert figure.strip(".,") in log, f"{page.name}: {figure} of {row}"


def test_exit_codes_are_those_of_the_errors() -> None:
    codes = {error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")} | {0, 1}
    found = re.findall(r"^\| (\d+) \|", section(RUNNING, "Exit codes"), re.MULTILINE)
    assert {int(code) for code in found} == codes


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^- \*\*(.+?)\*\*", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(words) > 20
    assert words == sorted(words, key=str.lower)


def test_hooks_are_local_and_run_the_checks() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert all(hook["language"] == "system" for hook in hooks)
    recipe = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    checks = re.findall(r"\$\(BIN\)/(ruff \w+|pyright)", recipe)
    assert [hook["entry"] for hook in hooks] == [f".venv/bin/{check}" for check in checks]
