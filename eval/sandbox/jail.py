"""The inside of the sandbox: run as a program of its own, `python -I -S jail.py`, with a job on its stdin.

Linux namespaces and limits by the kernel's own calls: nothing must be installed, and no root is needed.
- user: no capability outside, and none inside once the program runs;
- mount: a root of its own, read-only, with the interpreter's folders and a small /tmp in it;
- network: no way out, not even to this machine;
- pid, ipc: no other process is seen or signalled;
- limits on CPU time, memory, processes and files.
The program's supervisor is the first process of its pid namespace: when it ends, the kernel ends all others.

    outside -> enters the namespaces -> first process inside: builds the root -> the program

It stands on the standard library only. It exits with 0 where the program reached its end, with 1 where it did
not, and with UNAVAILABLE where the kernel does not let it build the jail, with the reason on stderr.
"""

import ctypes
import json
import os
import resource
import sys

UNAVAILABLE = 97
INSIDE_ID = 1000  # user and group of the program, as it sees them
NOBODY = 65534  # whom root becomes, since the kernel counts no processes of root
_NAMESPACES = 0x10000000 | 0x00020000 | 0x40000000 | 0x20000000 | 0x08000000 | 0x04000000  # CLONE_NEW*:
# user, mount, network, pid, ipc, host name
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 16384, 1 << 18, 2
_ATTR_RDONLY_NOSUID_NODEV, _AT_FDCWD, _AT_RECURSIVE = 1 | 2 | 4, -100, 0x8000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin")
_libc = ctypes.CDLL(None, use_errno=True)


class _Refused(Exception):
    """The kernel does not let us."""


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def _call(what, function, *args):
    if function(*args) != 0:
        raise _Refused(f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source, target, kind, flags, data=""):
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call(f"mount {target}", _libc.mount, *texts, ctypes.c_ulong(flags), os.fsencode(data))


def supervise(job):
    """Start the jail, map its users from outside, and wait for its end: the exit status."""
    _call("prctl", _libc.prctl, _PR_SET_PDEATHSIG, 9, 0, 0, 0)
    entered, mapped = os.pipe(), os.pipe()
    is_root = os.geteuid() == 0
    if is_root:
        os.setgroups([])
    child = os.fork()
    if child == 0:
        _guarded(lambda: _enter(job, entered[1], mapped[0], is_root=is_root))
    os.close(entered[1])
    if os.read(entered[0], 1):
        _map_users(child, is_root=is_root)
        os.write(mapped[1], b"m")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _map_users(pid, *, is_root):
    """The program's user is our own; of root, who may map others, nobody: root itself builds the jail."""
    for file, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        if not is_root and file == "gid_map":
            _write(f"/proc/{pid}/setgroups", "deny")
        lines = f"0 0 1\n{INSIDE_ID} {NOBODY} 1" if is_root else f"{INSIDE_ID} {own} 1"
        _write(f"/proc/{pid}/{file}", lines)


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def _guarded(action):
    """In a child: it never returns; what the kernel refuses is said, and ends it."""
    try:
        status = action()
    except (_Refused, OSError) as error:
        sys.stderr.write(f"{error}\n")
        status = UNAVAILABLE
    sys.stderr.flush()
    os._exit(status)


def _enter(job, entered, mapped, *, is_root):
    _call("unshare", _libc.unshare, _NAMESPACES)
    _call("prctl", _libc.prctl, _PR_SET_PDEATHSIG, 9, 0, 0, 0)
    os.write(entered, b"e")
    os.read(mapped, 1)
    first = os.fork()
    if first == 0:
        _guarded(lambda: _first_process(job, is_root=is_root))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) % 256


def _first_process(job, *, is_root):
    _call("prctl", _libc.prctl, _PR_SET_PDEATHSIG, 9, 0, 0, 0)
    _build_root(job)
    done = os.pipe()
    program = os.fork()
    if program == 0:
        _guarded(lambda: _become_program(job, done[1], is_root=is_root))
    os.close(done[1])
    while True:  # orphans of the program end here too
        pid, status = os.wait()
        if pid == program:
            break
    if os.waitstatus_to_exitcode(status) == UNAVAILABLE:
        return UNAVAILABLE
    os.set_blocking(done[0], False)
    try:
        return 0 if os.read(done[0], 256) == job["token"].encode() else 1
    except BlockingIOError:  # an orphan still holds the pipe, and nothing was said
        return 1


def _build_root(job):
    """A root with the interpreter in it and nothing else, all of it read-only but /tmp."""
    machine = os.uname().machine
    if machine not in _PIVOT_ROOT:
        raise _Refused(f"no sandbox for {machine}")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    sources = {
        path: os.open(path, os.O_PATH) for path in _folders(job["prefixes"]) if not os.path.islink(path)
    }
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}
    null = os.open("/dev/null", os.O_PATH)
    root = "/tmp"
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
    for path, source in sources.items():
        os.makedirs(root + path, exist_ok=True)
        _mount(f"/proc/self/fd/{source}", root + path, None, _MS_BIND | _MS_REC)
        attributes = _MountAttr(_ATTR_RDONLY_NOSUID_NODEV, 0, 0, 0)
        _call(
            "mount_setattr (Linux 5.12)",
            *(_libc.syscall, _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(root + path), _AT_RECURSIVE),
            *(ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes))),
        )
    for path, target in links.items():
        os.symlink(target, root + path)
    os.mkdir(root + "/dev")
    os.close(os.open(root + "/dev/null", os.O_CREAT | os.O_WRONLY))
    _mount(f"/proc/self/fd/{null}", root + "/dev/null", None, _MS_BIND)
    os.mkdir(root + "/tmp")
    _mount(
        "tmpfs",
        root + "/tmp",
        "tmpfs",
        _MS_NOSUID | _MS_NODEV,
        f"mode=1777,size={job['limits']['tmp_bytes']}",
    )
    with open(root + "/tmp/program.py", "w", encoding="utf-8") as file:
        file.write(job["program"])
    os.chmod(root + "/tmp/program.py", 0o644)
    os.chdir(root)
    _call("pivot_root", _libc.syscall, _PIVOT_ROOT[machine], b".", b".")
    _call("umount", _libc.umount2, b".", _MNT_DETACH)
    os.chdir("/tmp")
    _mount(None, "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _folders(prefixes):
    """The system's folders, and those of the interpreter that lie elsewhere."""
    own = [path for path in prefixes if not any(path.startswith(f"{one}/") for one in _SYSTEM)]
    return [path for path in dict.fromkeys((*_SYSTEM, *own)) if os.path.isdir(path)]


def _become_program(job, done, *, is_root):
    limits = job["limits"]
    for kind, most in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # the kernel knows no more of them
    if is_root:
        os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
        os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    _call("no_new_privs", _libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    nowhere = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.dup2(done, 3)
    os.closerange(4, 1 << 16)
    home = {"HOME": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    os.execve(job["python"], [job["python"], "-I", "-S", "-B", "/tmp/program.py"], home)


if __name__ == "__main__":
    sys.exit(supervise(json.load(sys.stdin)))
