"""Data sets through `datasets`, and fsspec URLs: local copies under names without a machine."""

import gzip
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from source_helpers import fields_of

from data_pipeline.build.inputs import inputs_sha256
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.sources import expand, read, remote
from hunmin import url_secrets
from hunmin.errors import ConfigError, EnvironmentFailure, InputError
from hunmin.models.config import ModelConfig

QA = {"format": "table", "columns": {"input": "Q", "answer": "A"}}


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HUNMIN_CACHE", str(tmp_path / "cache"))
    remote._load.cache_clear()
    yield
    remote._load.cache_clear()


def source_of(path: Any, **more: Any) -> SourceConfig:
    return SourceConfig.model_validate({"name": "s", "path": path, **QA, **more})


def rows_of(base: Path, source: SourceConfig) -> list[Any]:
    return [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two subsets in the layout of the hub."""
    text = "---\nconfigs:\n- config_name: a\n  data_files:\n  - {split: train, path: a/train.jsonl}\n"
    text += "  - {split: test, path: a/test.jsonl}\n- config_name: b\n  data_files: b.jsonl\n---\n"
    files = {
        "README.md": text,
        "a/train.jsonl": '{"Q": "하나?", "A": 1}\n{"Q": "둘?", "A": 2}\n',
        "a/test.jsonl": '{"Q": "셋?", "A": 3}\n',
        "b.jsonl": json.dumps(
            {"messages": [{"role": "user", "content": "?"}, {"role": "bot", "content": "!"}]}
        ),
    }
    for name, content in files.items():
        path = tmp_path / "sets" / "qa" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_a_data_set_in_the_layout_of_the_hub_is_read_without_a_network(folder: Path) -> None:
    rows = rows_of(folder, source_of("hub:sets/qa", subset="a"))
    assert fields_of(rows, "input", "answer") == [("하나?", "1"), ("둘?", "2")]
    assert [(row["file"], row["record"]) for row in rows] == [
        ("train-00000.arrow", 0),
        ("train-00000.arrow", 1),
    ]
    rows = rows_of(folder, source_of("hub:sets/qa", subset="a", hub_split="test"))
    assert fields_of(rows, "input", "answer") == [("셋?", "3")]


def test_any_format_of_records_reads_it(folder: Path) -> None:
    source = SourceConfig.model_validate(
        {"name": "s", "format": "messages", "path": "hub:sets/qa", "subset": "b"}
    )
    (row,) = rows_of(folder, source)
    assert [turn["content"] for turn in row["messages"]] == ["?", "!"]


def test_what_it_holds_is_part_of_the_inputs(folder: Path) -> None:
    config = DataConfig.model_validate({"sources": [source_of("hub:sets/qa", subset="a").model_dump()]})
    model = ModelConfig.model_validate({"from_scratch": {}})
    before = inputs_sha256(config, model, base=folder)
    assert before == inputs_sha256(config, model, base=folder)
    (folder / "sets" / "qa" / "a" / "train.jsonl").write_text(
        '{"Q": "하나?", "A": 1}\n{"Q": "둘?", "A": 3}\n'
    )
    assert inputs_sha256(config, model, base=folder) != before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subset": "c"}, "see subset and hub_split"),
        ({"subset": "a", "hub_split": "dev"}, "see subset and hub_split"),
        (
            {"subset": "a", "hub_split": "train[:10]"},
            "is no name of a split; for the first records of one set max_records",
        ),
    ],
)
def test_a_subset_or_split_that_is_not_there_stops(folder: Path, settings: Any, words: str) -> None:
    with pytest.raises(InputError, match="source s") as error:
        rows_of(folder, source_of("hub:sets/qa", **settings))
    assert words in str(error.value)


def test_an_unreachable_hub_is_the_environments_fault(folder: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="source s: hub:nobody/nothing: the hub does not give it"):
        rows_of(folder, source_of("hub:nobody/nothing"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "gettext", "columns": {}}, "format gettext is not read from the hub"),
        ({"path": "a.csv", "subset": "x"}, "subset is of a data set of the hub"),
        ({"path": "a.csv", "hub_split": "test"}, "hub_split is of a data set of the hub"),
        (
            {"path": ["memory://a", "memory://b"], "format": "parallel", "columns": {}},
            "parallel text is read from",
        ),
    ],
)
def test_settings_that_do_not_fit_the_place_are_refused(tmp_path: Path, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        expand(source_of(**{"path": "hub:x/y", **settings}), index=0, base=tmp_path)
    assert words in str(error.value)


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    for name in ("a.csv", "deep/b.csv"):
        fs.pipe(f"/corpus/{name}", f"Q,A\n{name}?,답\n".encode())
    yield fs
    fs.rm("/corpus", recursive=True)


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("memory://corpus/a.csv", ["a.csv"]),
        ("memory://corpus/*.csv", ["a.csv"]),
        ("memory://corpus/**/*.csv", ["a.csv", "deep/b.csv"]),
        ("memory://corpus", ["a.csv", "deep/b.csv"]),
    ],
)
def test_urls_name_files_globs_and_folders(tmp_path: Path, memory: Any, path: str, files: list[str]) -> None:
    rows = rows_of(tmp_path, source_of(path))
    assert [(row["file"], row["fields"]["input"]) for row in rows] == [(file, f"{file}?") for file in files]


def test_a_file_changed_there_is_fetched_again(tmp_path: Path, memory: Any) -> None:
    source = source_of("memory://corpus/a.csv")
    first = expand(source, index=0, base=tmp_path)[0].paths
    assert first == expand(source, index=0, base=tmp_path)[0].paths
    memory.pipe("/corpus/a.csv", "Q,A\n바뀐 질문?,답\n".encode())
    assert fields_of(rows_of(tmp_path, source), "input") == [("바뀐 질문?",)]


def test_a_copy_has_the_mode_of_the_umask(tmp_path: Path, memory: Any) -> None:
    (path,) = expand(source_of("memory://corpus/a.csv"), index=0, base=tmp_path)[0].paths
    (tmp_path / "own").touch()
    assert Path(path).stat().st_mode == (tmp_path / "own").stat().st_mode


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("memory://corpus/none.csv", "nothing is there"),
        ("memory://corpus/*.tsv", "nothing is there"),
        ("nonsense://x/y", "nonsense"),
    ],
)
def test_a_url_of_nothing_stops(tmp_path: Path, memory: Any, path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        rows_of(tmp_path, source_of(path))


def test_local_and_remote_files_with_one_name_are_refused(tmp_path: Path, memory: Any) -> None:
    (tmp_path / "a.csv").write_text("Q,A\n가,나\n")
    with pytest.raises(InputError, match=r"two files are named a\.csv"):
        rows_of(tmp_path, source_of(["a.csv", "memory://corpus/a.csv"]))


class Guarded(http.server.BaseHTTPRequestHandler):
    """One file, for those who show the token and the password."""

    def do_GET(self) -> None:
        basic = self.headers.get("Authorization") == "Basic bWU6Z2VoZWltMQ=="  # me:geheim1
        sound = basic and "token=geheim2" in self.path and self.path.startswith("/set/a.jsonl")
        body = '{"Q": "하나?", "A": "1"}\n'.encode() if sound else b""
        self.send_response(200 if sound else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("from_environment", [True, False])
def test_secrets_of_a_url_stand_in_no_name_and_no_message(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_environment: bool
) -> None:
    monkeypatch.setenv("HM_PASSWORD", "geheim1")
    monkeypatch.setenv("HM_TOKEN", "geheim2")
    url = f"http://me:${{HM_PASSWORD}}@{host}/set/a.jsonl?token=${{HM_TOKEN}}"
    if not from_environment:
        url = url_secrets.filled(url)
    (row,) = rows_of(tmp_path, source_of(url))
    assert row["fields"]["answer"] == "1"
    assert row["file"] == f"a.jsonl?token={'${HM_TOKEN}' if from_environment else '***'}"
    assert "geheim" not in " ".join(path.name for path in (tmp_path / "cache").rglob("*"))
    assert "geheim" not in source_of(url).model_dump_json()
    with pytest.raises(EnvironmentFailure) as failed:
        rows_of(tmp_path, source_of(url.replace("a.jsonl", "b.jsonl")))
    assert "b.jsonl" in str(failed.value)
    assert "geheim" not in str(failed.value)


def test_a_masked_secret_and_an_unset_variable_are_named(tmp_path: Path) -> None:
    stored = json.loads(source_of("https://me:pw@host.invalid/a.jsonl").model_dump_json())["path"]
    with pytest.raises(InputError, match=r"not kept in a run's folder; write \$\{NAME\}"):
        rows_of(tmp_path, source_of(stored))
    with pytest.raises(ConfigError, match=r"has no HM_ABSENT; export HM_ABSENT"):
        rows_of(tmp_path, source_of("https://${HM_ABSENT}@host.invalid/a.jsonl"))


def test_a_variable_may_be_a_folder_or_a_whole_url(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.jsonl").write_text('{"Q": "둘?", "A": "2"}\n')
    monkeypatch.setenv("HM_DATA", str(tmp_path / "here"))
    (row,) = rows_of(tmp_path, source_of("${HM_DATA}/*.jsonl"))
    assert (row["file"], row["fields"]["answer"]) == ("a.jsonl", "2")
    monkeypatch.setenv("HM_DATA", f"http://me:geheim1@{host}/set/a.jsonl?token=geheim2")
    (row,) = rows_of(tmp_path, source_of("${HM_DATA}"))
    assert (row["fields"]["answer"], "geheim" in row["file"]) == ("1", False)


def zipped(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", text)
    return path


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    line = '{"Q": "하나?", "A": 1}\n'
    good = zipped(tmp_path / "good.zip", line * 3)
    assert len(rows_of(tmp_path, source_of(f"zip://a.jsonl::file://{good}"))) == 3
    bomb = zipped(tmp_path / "bomb.zip", line * 1_000_000)
    with pytest.raises(InputError, match=r"an archive of \d+ bytes unpack to 25000000, more than 100 times"):
        expand(source_of(f"zip://a.jsonl::file://{bomb}"), index=0, base=tmp_path)
    assert not list((tmp_path / "cache").rglob("*a.jsonl*"))[1:]  # that of the good one


@pytest.mark.parametrize("suffix", ["zip", "jsonl.gz"])
def test_packed_files_of_a_data_set_have_the_limit_too(tmp_path: Path, suffix: str) -> None:
    folder, text = tmp_path / "set", '{"Q": "하나?", "A": 1}\n' * 1_000_000
    folder.mkdir()
    if suffix == "zip":
        zipped(folder / "train.zip", text)
    else:
        (folder / f"train.{suffix}").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InputError, match=r"train\.(zip|jsonl\.gz).*100 times"):
        expand(source_of("hub:set"), index=0, base=tmp_path)
