"""Literal files, and short views of what `read` yields of them."""

from pathlib import Path

Files = dict[str, str | bytes]


def write_files(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def reasons_of(rows: list[dict]) -> list[str | None]:
    return [row.get("reason") for row in rows]


def fields_of(rows: list[dict], *names: str) -> list[tuple]:
    return [tuple(row["fields"][name] for name in names) for row in rows]
