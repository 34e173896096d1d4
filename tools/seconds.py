"""Write down which tests take long: ``python -m tools.seconds build/suite.xml``, from a JUnit report of a run.

``make check`` leaves out what is written in ``tests/seconds.json``, so that it ends within two minutes; ``make test`` runs all.
What a report of a part of the suite does not tell of stays as it was written down.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

LONG = 0.25
"""Seconds from which a test waits for the whole suite."""
KEPT = Path(__file__).parents[1] / "tests" / "seconds.json"


def long_ones(report: Path) -> dict[str, float]:
    """Tests that take long, ``module::function``, with the seconds of their slowest case."""
    return {name: round(took, 1) for name, took in _seconds(report).items() if took >= LONG}


def _seconds(report: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name', '').partition('[')[0]}"
        found[name] = max(found.get(name, 0.0), float(case.get("time", 0)))
    return dict(sorted(found.items()))


def written_down(report: Path, before: dict[str, float], root: Path) -> dict[str, float]:
    """What took long in a report, and what did before among the tests that it does not tell of and that are still there."""
    told = _seconds(report)
    stays = {name: took for name, took in before.items() if name not in told and _there(name, root)}
    return dict(sorted((stays | long_ones(report)).items()))


def _there(name: str, root: Path) -> bool:
    module, _, function = name.partition("::")
    file = root / f"{module.replace('.', '/')}.py"
    return file.is_file() and f"def {function}(" in file.read_text(encoding="utf-8")


if __name__ == "__main__":
    known = json.loads(KEPT.read_text(encoding="utf-8"))
    found = written_down(Path(sys.argv[1]), known, KEPT.parents[1])
    KEPT.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
