"""`python -m harness`."""

from harness import limits
from harness.cli import main

if __name__ == "__main__":
    limits.tell_libraries()
    raise SystemExit(main())
