"""What `use: infinity_db` finds by each of some settings, as JSON.

python infinity_db_program.py < {"docs": [[ID, TEXT], ...], "queries": [TEXT, ...], "depth": 3,
"systems": [{"text": true, "dense": true, "encoder": true, ...}, ...]}
"""

import json
import sys
from typing import Any

from fakes import GaussianTokenEncoder, HashingEncoder

from harness.components.retrievers.infinity_db import InfinityDb
from harness.data import Doc, Query

told = json.load(sys.stdin)
docs = [Doc(*one) for one in told["docs"]]
queries = [Query(str(i), text) for i, text in enumerate(told["queries"])]
made: dict[str, Any] = {"dense": HashingEncoder(), "encoder": GaussianTokenEncoder()}
answers: dict[str, Any] = {"hits": [], "footprints": [], "notes": []}
for system in told["systems"]:
    fields = {name: made.get(name, value) if value else None for name, value in system.items()}
    searcher: Any = InfinityDb(**fields).index(docs)
    answers["hits"].append(searcher.search(queries, told["depth"]))
    answers["footprints"].append(searcher.footprints())
    answers["notes"].append(searcher.facts(queries, told["depth"])["notes"])
    backwards: Any = InfinityDb(**fields).index(docs[::-1])
    assert backwards.search(queries, told["depth"]) == searcher.search(queries, told["depth"])
    assert backwards.table is searcher.table
json.dump(answers, sys.stdout)
