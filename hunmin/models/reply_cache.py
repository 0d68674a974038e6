"""Replies of a model by what was asked, in a file that grows: what was paid for once is not asked again."""

import json
import threading
from pathlib import Path

from hunmin.models.endpoint import Reply


class ReplyCache:
    """JSON lines of {"request": sha256, "reply": [text, prompt tokens, answer tokens]}.

    A line that a stopped process left half written is passed over, and its request asked again.
    """

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._replies: dict[str, Reply] = {}
        whole = path.exists() and path.read_bytes().endswith(b"\n")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
            try:
                told = json.loads(line)
                self._replies[told["request"]] = Reply(*told["reply"])
            except (ValueError, KeyError, TypeError):
                continue
        if path.exists() and not whole:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def get(self, request: str) -> Reply | None:
        """The reply to a request of that hash, if there was one."""
        return self._replies.get(request)

    def put(self, request: str, reply: Reply) -> None:
        """Keep a reply, at once. Threads may call it."""
        line = json.dumps({"request": request, "reply": list(reply)}, ensure_ascii=False)
        with self._lock:
            self._replies[request] = reply
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
