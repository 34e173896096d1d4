"""A slice of ``make faults``: kills, a disk that fails, several processes, in a home of their own."""

from __future__ import annotations

import json

import pytest

from tools.faults import again


@pytest.mark.slow
def test_nothing_is_lost_wrong_or_raw():
    done = again(["--kills", "3", "--sites", "2", "--rounds", "1", "--processes", "8"])
    assert done.returncode == 0, done.stdout[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kill -9 at random moments"]["tries"] == 3 and "8 processes at once" in found
    full = [outcome for name, outcome in found.items() if "n-th change" in name]
    assert all(outcome["in words"] > 0 for outcome in full)  # where there is a C compiler
