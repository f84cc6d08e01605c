"""What a model's answer says: one grade, in the form that the prompt asks for, or nothing."""

from __future__ import annotations

import re

from harness.analysis.judgments.journal import GRADES

LINE = re.compile(r"^[ \t]*Grade:[ \t]*(?P<grade>\S.*?)?[ \t]*\r?$", re.MULTILINE)
"""A line that says a grade, be it one or not."""

REMINDER = (
    "That answer cannot be read. Answer again with one line and nothing else, such as:\nGrade: 1"
)
"""What is said to a model whose answer had no grade."""


def grade(answer: str) -> int | None:
    """The grade that an answer gives in exactly one line `Grade: N`; None for any other answer.

    Other lines may stand around it. Two such lines are none, even with equal grades: a model that
    says a grade twice may have repeated it from the document.
    """
    lines = [found["grade"] for found in LINE.finditer(answer)]
    if len(lines) != 1 or lines[0] not in map(str, GRADES):
        return None
    return int(lines[0])
