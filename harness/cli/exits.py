"""How a command ends: by which code, and with which words where it broke off."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from harness.cli import stopping
from harness.errors import HarnessError, InputError, reason

OK, WORSE, MEND, FAILED, NO_VERDICT, BROKEN = 0, 1, 2, 3, 4, 70
"""70 is EX_SOFTWARE of sysexits.h."""

EPILOG = """\
exit codes:
  0    done; gate: nothing is worse
  1    gate: something is worse; no other command returns 1
  2    fix something, and run again: the message says what and where
  3    a trial failed, and the others went on; or files or standard output
       could not be written or read
  4    gate: no verdict
  70   a bug; --verbose shows where
  130  stopped by Ctrl-C; 143 by SIGTERM, 129 by a terminal that closed"""

WAYS_OUT = {
    errno.ENAMETOOLONG: "give a shorter one",
    errno.ENOSPC: "free some space",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
    errno.ENOMEM: "free some memory",
    errno.EACCES: "name another, or get the right to use it",
    errno.EPERM: "name another, or get the right to use it",
    errno.EROFS: "name another that can be written",
}
"""By the system's error code, what can be done about it."""


def ending(error: BaseException) -> tuple[int, str]:
    """The code of a command in which `error` was raised, and the paragraph that says why."""
    if isinstance(error, KeyboardInterrupt):
        return stopping.code(error), stopping.SAID
    if isinstance(error, HarnessError):
        return MEND if isinstance(error, InputError) else FAILED, str(error)
    if isinstance(error, OSError) and error.strerror:
        return FAILED, _refused(error)
    return BROKEN, _broken(error)


def _refused(error: OSError) -> str:
    """What the system would not do, and for which file."""
    what = "" if error.filename is None else f"{error.filename}: "
    way_out = WAYS_OUT.get(error.errno or 0, "fix that")
    return f"{what}{error.strerror}. Way out: {way_out}. Then run again: finished work is stored."


def _broken(error: BaseException) -> str:
    """What broke, where in this package, and how to see more of it."""
    if isinstance(error, MemoryError):
        return (
            f"Not enough memory ({reason(error)}), {_where(error)}. Way out: more memory, or fewer "
            "documents (`subset`). Then run again: finished work is stored."
        )
    return (
        f"Unexpected error: {reason(error)}, {_where(error)}. This is a bug of the harness or of a "
        "component. Run the same command with --verbose to see the traceback. Finished work is stored."
    )


def _where(error: BaseException) -> str:
    """The innermost line of this package that `error` passed."""
    home = Path(__file__).parents[1]
    passed = [
        f"in {Path(frame.filename).relative_to(home.parent)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(home)
    ]
    return passed[-1] if passed else "outside the package"
