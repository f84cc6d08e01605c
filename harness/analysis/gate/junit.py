"""A gate as JUnit XML, which continuous integration shows beside its tests.

One test case a judgement: fail is a failure, what is not measured or not comparable an error (it
takes someone to mend it), inconclusive is skipped. There is no standard; what is written here is
what both widespread schemas allow, that of Ant's JUnit report and the stricter one of xunit for
Jenkins: attributes and children that each of them demands, in the order that either does.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from harness.analysis.gate.judge import Gate, Judgement

ELEMENTS: Mapping[str, str] = {
    "fail": "failure",
    "not measured": "error",
    "not comparable": "error",
    "inconclusive": "skipped",
}

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def gate_junit(gate: Gate, now: str) -> bytes:
    """The document; `now` is a time such as 2026-11-25T12:00:00."""
    found = [ELEMENTS.get(one.status, "pass") for one in gate.judgements]
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_text(gate.experiment),
        package="harness.gate",
        id="0",
        timestamp=now,
        hostname="localhost",
        tests=str(len(found)),
        failures=str(found.count("failure")),
        errors=str(found.count("error")),
        skipped=str(found.count("skipped")),
        time="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("accepted", "reason"):
        ET.SubElement(properties, "property", name=name, value=_text(gate.accepted[name]))
    for one in gate.judgements:
        _case(suite, gate.experiment, one)
    ET.SubElement(suite, "system-out").text = _text("\n".join(map(str, gate.changed)))
    ET.SubElement(suite, "system-err")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _case(suite: ET.Element, experiment: str, one: Judgement) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_text(f"{one.system} {one.metric}"),
        classname=_text(f"{experiment}.{one.dataset}"),
        time="0",
    )
    if one.status in ELEMENTS:
        accepted, now, change, interval = one.numbers
        attributes = {"message": _text(one.message), "type": one.status}
        ET.SubElement(case, ELEMENTS[one.status], attributes).text = _text(
            f"accepted {accepted}, now {now}, change {change} {interval}, margin {one.margin:g}"
        )


def _text(text: object) -> str:
    return NOT_XML.sub("\ufffd", str(text))
