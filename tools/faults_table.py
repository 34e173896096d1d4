"""``docs/reliability.md``: the table of what ``python -m tools.faults`` tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["write"]

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"


def write(found: Mapping[str, Mapping[str, int]]) -> None:
    """Put the table between its marks."""
    heads = (
        "fault",
        "tries",
        "told in words",
        "wrong or stale",
        "damaged",
        "raw exceptions",
        "deaths",
    )
    rows = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, outcome in found.items():
        counts = [
            outcome.get(key, 0)
            for key in ("tries", "in words", "wrong", "damaged", "raw", "deaths")
        ]
        rows.append(f"| {name} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}", encoding="utf-8")
