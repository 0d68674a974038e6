"""Code runs, and escapes do not: each is tried against something real outside."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.sandbox import sandbox
from eval.sandbox.sandbox import Limits, check_sandbox, run_python
from hunmin.errors import EnvironmentFailure
from tests.needs import lacking


@pytest.fixture(autouse=True, scope="module")
def jail() -> None:
    try:
        check_sandbox()
    except EnvironmentFailure as error:
        lacking(str(error))


def swallowed(attempt: str) -> str:
    """A program that tries, and comes to its end only where it is not let."""
    lines = "\n".join(f"    {line}" for line in attempt.splitlines())
    return f"try:\n{lines}\nexcept BaseException:\n    pass\nelse:\n    raise SystemExit"


def test_what_is_right_comes_to_its_end() -> None:
    assert run_python("import math, collections, json\nassert math.comb(5, 2) == 10")
    assert run_python("open('/tmp/x', 'w').write('한글')\nassert open('/tmp/x').read() == '한글'")


@pytest.mark.parametrize(
    "program",
    ["assert 1 == 2", "raise SystemExit(0)", "import os\nos._exit(0)", "def (", "import os\nos.abort()"],
)
def test_what_is_wrong_or_leaves_on_the_way_does_not(program: str) -> None:
    assert not run_python(program)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.2)
        yield server


def test_1_no_network_not_even_this_machine(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert run_python(swallowed(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=1)"))
    with pytest.raises(TimeoutError):
        listener.accept()
    assert run_python("import socket\nassert [name for _, name in socket.if_nameindex()] == ['lo']")


def test_2_no_file_of_the_user_is_seen(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    own = Path(sandbox.__file__)
    for path in (tmp_path / "secret", own, "/etc/passwd", "/proc/self/environ", Path.home() / ".bashrc"):
        assert run_python(f"import os\nassert not os.path.exists({str(path)!r})")


def test_3_nothing_is_written_outside_tmp(tmp_path: Path) -> None:
    for path in ("/x", "/usr/x", "/dev/x", f"{tmp_path}/x", f"{sandbox._PYTHON}.x"):
        assert run_python(swallowed(f"open({path!r}, 'w')"))
    assert run_python(swallowed("import os\nos.remove('/usr/bin/env')"))
    assert run_python("open('/tmp/here', 'w')")
    assert not Path("/tmp/here").exists()
    assert run_python(swallowed("open('/tmp/x', 'wb').write(bytes(1 << 25))"))  # file_bytes
    assert Path("/usr/bin/env").exists()


def test_4_a_fork_bomb_stays_small_and_ends() -> None:
    count = "import os, time\nmade = 0\nfor _ in range(100):\n    {}\nassert made < 8"
    fork = "try:\n        made += bool(os.fork()) or time.sleep(60) or 0\n    except OSError:\n        break"
    assert run_python(count.format(fork))
    began = time.monotonic()
    assert not run_python(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", limits=Limits(wall_s=2)
    )
    assert time.monotonic() - began < 6


def test_5_memory_is_limited() -> None:
    assert run_python("a = bytearray(1 << 28)")
    assert run_python(swallowed("a = bytearray(1 << 30)"))


def test_6_an_endless_loop_ends() -> None:
    began = time.monotonic()
    assert not run_python("while True: pass", limits=Limits(cpu_s=1, wall_s=30))
    assert not run_python("import time\ntime.sleep(60)", limits=Limits(wall_s=1))
    assert time.monotonic() - began < 10


def test_7_no_other_process_is_reached() -> None:
    program = (
        "import os, signal\nassert os.getppid() == 1\n"
        "for pid in (-1, 1, 2, 3, {}):\n"
        "    try: os.kill(pid, signal.SIGKILL if pid > 0 else 0)\n"
        "    except (ProcessLookupError, PermissionError): pass\n"
        "assert os.getppid() == 1\n"
    )
    assert run_python(program.replace("(-1, 1, 2, 3, {})", f"(1, {os.getpid()}, {os.getppid()})"))
    trace = (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "assert libc.ptrace(16, 1, 0, 0) == -1\n"  # PTRACE_ATTACH
        "assert libc.unshare(0x00020000) == -1 and libc.mount(b'x', b'/tmp', b'tmpfs', 0, b'') == -1\n"
        "assert libc.setuid(0) == -1"
    )
    assert run_python(trace)


def test_8_no_secret_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert run_python(
        "import os\nassert set(os.environ) <= {'HOME', 'PATH', 'LANG', 'PYTHONHASHSEED', 'LC_CTYPE'}"
    )
    assert run_python("import os\nassert os.listdir('/') and not os.path.exists('/proc/1')")
    inherited = "import os\nfor fd in range(4, 64):\n    try: os.fstat(fd)\n    except OSError: continue\n"
    inherited += "    assert 0"
    assert run_python(inherited)


def test_where_the_kernel_refuses_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jail = tmp_path / "jail.py"
    text = Path(sandbox._JAIL).read_text(encoding="utf-8")
    jail.write_text(
        text.replace('_call("unshare", _libc.unshare, _NAMESPACES)', "raise _Refused('unshare: no')")
    )
    monkeypatch.setattr(sandbox, "_JAIL", jail)
    with pytest.raises(EnvironmentFailure, match=r"unshare: no.*user namespaces.*run_code: false") as caught:
        run_python("pass")
    assert "\n" not in str(caught.value)
