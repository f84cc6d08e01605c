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
from typing import Any

from harness.analysis.gate.judge import Gate
from harness.analysis.gate.markdown import numbers

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
    found = [ELEMENTS.get(status, "pass") for status in gate.judgements["status"]]
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
    for row in gate.judgements.to_dict("records"):
        _case(suite, gate.experiment, row)
    ET.SubElement(suite, "system-out").text = _text(
        "\n".join(
            f"{row.what}: {row.accepted} -> {row.now} ({row.where})"
            for row in gate.changed.itertuples()
        )
    )
    ET.SubElement(suite, "system-err")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _case(suite: ET.Element, experiment: str, row: Mapping[str, Any]) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_text(f"{row['system']} {row['metric']}"),
        classname=_text(f"{experiment}.{row['dataset']}"),
        time="0",
    )
    if row["status"] in ELEMENTS:
        told = numbers(row)
        said = {"message": _text(row["message"]), "type": row["status"]}
        ET.SubElement(case, ELEMENTS[row["status"]], said).text = _text(
            f"accepted {told.accepted}, now {told.now}, change {told.change} {told.interval}, "
            f"margin {row['margin']:g}"
        )


def _text(text: object) -> str:
    return NOT_XML.sub("\ufffd", str(text))
