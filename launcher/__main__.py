"""The `hunmin` command, and `python -m launcher`: the doctor works even where the packages do not."""

import sys


def main() -> None:
    """Start the command line; where its packages are absent, only the doctor, or a word about it."""
    if sys.version_info < (3, 11):  # noqa: UP036  # said before newer syntax and modules fail
        version = ".".join(map(str, sys.version_info[:3]))
        print(f"hunmin: Python {version}; needed is 3.11: make setup, then .venv/bin/hunmin", file=sys.stderr)
        sys.exit(4)
    try:
        from launcher.cli import main as command_line
    except ImportError as error:
        arguments = sys.argv[1:]
        if arguments[:1] == ["doctor"] and "--help" not in arguments:
            from launcher.doctor.doctor import main as doctor

            sys.exit(doctor(arguments[1:]))
        print(
            f"hunmin: {error}: its packages are not all installed; run make setup, "
            f"or see what is missing: {sys.executable} -m launcher doctor",
            file=sys.stderr,
        )
        sys.exit(4)
    command_line()


if __name__ == "__main__":
    main()
