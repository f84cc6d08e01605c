"""`python -m harness`: a signal ends it in one line, also while the rest is imported."""

from harness.cli import stopping


def _run() -> int:
    from harness.cli import streams
    from harness.components.hardware import limits

    streams.prepare()
    limits.limit_library_threads()
    from harness.cli.commands import main

    try:
        stopping.unwinding()
        return main()
    finally:
        stopping.at_once()


if __name__ == "__main__":
    stopping.at_once()
    raise SystemExit(_run())
