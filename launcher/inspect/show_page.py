"""What `hunmin show` tells as one HTML page: no script, nothing from elsewhere, light and dark."""

from collections.abc import Iterator
from html import escape
from typing import Any

from hunmin.readable import parts_of_messages
from launcher.inspect.shown import ShownPack, ShownRow, ShownSegment, drawn_facts, num_trained
from launcher.inspect.tokens import TokenGroup

_CSS = """
:root {
  color-scheme: light dark;
  --paper: light-dark(#fdfdfb, #14161a); --ink: light-dark(#1c1e21, #e4e5e7);
  --muted: light-dark(#5d636b, #a0a6ae); --rule: light-dark(#dcdcd6, #33373d);
  --trained: light-dark(#d3f0e4, #0d4a37); --trained-line: light-dark(#00694a, #4cc9a0);
  --chip: light-dark(#e6e6e0, #2b2f36); --thought: light-dark(#7a5200, #e6b450);
  --call: light-dark(#0a5a94, #7cc0f0);
}
body {
  margin: 0 auto; max-width: 60rem; padding: 1.25rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.7 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans KR", "Noto Sans CJK KR",
    "Apple SD Gothic Neo", "Malgun Gothic", "NanumGothic", sans-serif;
}
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--rule); margin-top: 1.5rem; padding-top: 1rem; }
.facts { color: var(--muted); font-size: .875rem; margin: .2rem 0 .8rem; overflow-wrap: anywhere; }
.tokens { white-space: pre-wrap; word-break: keep-all; overflow-wrap: anywhere; color: var(--muted); }
.tokens span:hover { outline: 1px solid currentColor; }
.t { background: var(--trained); color: var(--ink); border-bottom: 2px solid var(--trained-line); }
.s {
  background: var(--chip); border-radius: .6em; padding: 0 .4em; font-size: .8em;
  font-family: ui-monospace, Consolas, "Noto Sans Mono", monospace;
}
.s.t { background: var(--trained); border: 1px solid var(--trained-line); }
.end { opacity: .5; }
.thought .tokens, .tokens .thought { font-style: italic; color: var(--thought); }
.call .tokens, .tokens .call, .tool .tokens {
  font-family: ui-monospace, Consolas, "Noto Sans Mono", monospace; color: var(--call);
}
.ids .tokens { line-height: 2.3; }
.ids .tokens span[data-id]::after {
  content: attr(data-id); font: .6rem ui-monospace, monospace; vertical-align: sub; margin: 0 .3em;
}
"""
_LEGEND = (
    '<p class="facts tokens"><span class="t">trained</span>  <span class="t thought">trained thought</span>'
    '  <span class="t call">trained call</span>  context  <span class="s">special token</span>'
    "  (point at a token for its position and id)</p>"
)


def page(shown: ShownPack | ShownRow, *, ids: bool) -> str:
    """The whole page; the `ids` stand behind the tokens, or come up on hovering."""
    title, body = _pack(shown) if isinstance(shown, ShownPack) else _row(shown)
    kind = ' class="ids"' if ids else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body{kind}>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _pack(shown: ShownPack) -> tuple[str, str]:
    pack, trained = shown.pack, num_trained(shown.pack)
    facts = (
        f"{pack.shard}, pack {pack.number} of {pack.num_packs}: {len(pack.input_ids)} of {pack.seq_len} "
        f"tokens, {trained} trained, {len(pack.segments)} row(s)"
    )
    sections = "\n".join(_segment(segment) for segment in shown.segments)
    return pack.place, f'<p class="facts">{escape(facts)}</p>\n{_LEGEND}\n{sections}'


def _row(shown: ShownRow) -> tuple[str, str]:
    parts = []
    if shown.shown is not None:
        title, body = _pack(shown.shown)
        parts += [f'<p class="facts">{escape(title)}</p>', body]
        places = [f"{line['split']}, epoch {line['epoch']}, pack {line['pack']}" for line in shown.lines[1:]]
        parts += [f'<p class="facts">Also in {escape("; ".join(places))}.</p>'] if places else []
    for line in shown.heldout:
        parts += ['<p class="facts">Held out: eval asks it, nothing trains on it.</p>', *_messages(line)]
    for line in shown.rejected:
        parts.append(f"<p>Rejected: {escape(line['reason'])}: {escape(str(line['detail']))}</p>")
        parts.append(f'<div class="tokens">{escape(line.get("text") or "")}</div>')
    return shown.row_id, "\n".join(parts)


def _segment(segment: ShownSegment) -> str:
    line = segment.line
    facts = [f"row {line['row']}", line["task"], line["language"], f"licence {line['licence']}"]
    facts += drawn_facts(line)
    tokens = "".join(_token(group) for group in segment.groups)
    return (
        f"<section>\n<h2>{segment.index} · {escape(line['row_id'])}</h2>\n"
        f'<p class="facts">{escape(" · ".join(map(str, facts)))}</p>\n<div class="tokens">{tokens}</div>\n'
        "</section>"
    )


def _token(group: TokenGroup) -> str:
    marks = (("t", group.trained), ("s", group.special), (group.kind, group.kind is not None))
    kinds = " ".join(str(name) for name, is_it in marks if is_it)
    ids = " ".join(map(str, group.ids))
    text = escape(group.text).replace("\n", '<i class="end">↵</i>\n')
    title = f"position {group.position}, id {ids}" + (", trained" if group.trained else "")
    classes = f' class="{kinds}"' if kinds else ""
    return f'<span{classes} title="{title}" data-id="{ids}">{text}</span>'


def _messages(line: dict[str, Any]) -> Iterator[str]:
    shown = [*parts_of_messages(line["messages"]), *(("reference", text) for text in line["references"])]
    for kind, text in shown:
        body = f'<h2>{kind}</h2>\n<div class="tokens">{escape(text)}</div>'
        yield f'<section class="{kind}">\n{body}\n</section>'
