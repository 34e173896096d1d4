"""What came over the network is read in a process of its own first."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest

from data.catalog import shelf
from data.errors import BrainLensError
from data.own import apart
from tests.data.own_tables import saved, table


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_sound_file_is_tried_and_a_wrong_one_is_told_where_it_is_read(tmp_path):
    path = saved(tmp_path, table())
    assert apart.tried(path) is None
    path.write_text("nothing to read\n")
    assert apart.tried(path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a process there")
def test_memory_and_death_are_refusals(tmp_path, monkeypatch):
    path = tmp_path / "own.npy"
    np.save(path, np.zeros((2000, 2000)))
    with pytest.raises(BrainLensError, match=r"was not read in 0 s|needs more than|was lost"):
        apart.tried(path, memory=100_000_000)
    with pytest.raises(BrainLensError, match=r"not read in 0\.01 s"):
        apart.tried(path, seconds=0.01)
    killer = tmp_path / "killer"
    killer.write_text(f"#!/bin/sh\nkill -{signal.SIGSEGV.value} $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(BrainLensError, match=r"own.npy is damaged: .* lost \(signal 11\)"):
        apart.tried(path)


def test_what_ends_its_reader_leaves_nothing_behind(own_home, monkeypatch):
    def lost(path):
        raise BrainLensError(
            f"{path.name} is damaged: the process that read it was lost (signal 11)"
        )

    monkeypatch.setattr(shelf, "tried", lost)
    with pytest.raises(BrainLensError, match=r"lost"):
        shelf.stage({"own.npz": b"PK\3\4torn"})
    assert not [name for _, _, names in os.walk(own_home) for name in names if "own" in name]
    assert shelf.stage(
        {"own.csv": b"sentence,y\na b,1\n"}
    ).is_file()  # a small text is read at once
