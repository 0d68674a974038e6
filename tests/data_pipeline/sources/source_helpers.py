"""Short views of what `read` yields."""


def reasons_of(rows: list[dict]) -> list[str | None]:
    return [row.get("reason") for row in rows]


def fields_of(rows: list[dict], *names: str) -> list[tuple]:
    return [tuple(row["fields"][name] for name in names) for row in rows]
