"""Write down which tests take long: ``python -m tools.seconds build/suite.xml``, from a JUnit report of a whole run.

``make check`` leaves out what is written in ``tests/seconds.json``, so that it ends within two minutes; ``make test`` runs all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

LONG = 0.3
"""Seconds from which a test waits for the whole suite."""
KEPT = Path(__file__).parents[1] / "tests" / "seconds.json"


def long_ones(report: Path) -> dict[str, float]:
    """Tests that take long, ``module::function``, with the seconds of their slowest case."""
    found: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name', '').partition('[')[0]}"
        found[name] = max(found.get(name, 0.0), float(case.get("time", 0)))
    return {name: round(found[name], 1) for name in sorted(found) if found[name] >= LONG}


if __name__ == "__main__":
    KEPT.write_text(json.dumps(long_ones(Path(sys.argv[1])), indent=0) + "\n", encoding="utf-8")
