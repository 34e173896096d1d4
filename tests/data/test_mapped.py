"""Large arrays lie on disk without a name, and in memory where the disk has no room."""

from __future__ import annotations

import numpy as np
import pytest

from data import mapped
from data.files import DiskError
from data.home import home
from data.mapped import laid_down, room_for


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))


def _on_disk(values: np.ndarray) -> bool:
    base = values
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    return base is not None


def test_an_array_on_disk_holds_what_is_written_and_leaves_nothing():
    made = room_for((100, 50), np.float32, least=20_000)
    assert _on_disk(made) and made.shape == (100, 50) and made.dtype == np.float32
    made[:] = np.arange(5000).reshape(100, 50)
    assert made[99, 49] == 4999 and made.sum() == 4999 * 2500
    assert list(home("cache", "mapped").iterdir()) == []


def test_what_is_small_stays_in_memory():
    values = np.ones((10, 10))
    assert laid_down(values, least=801) is values and not _on_disk(room_for((10, 10), least=401))


def test_arrays_held_together_count_together():
    values = np.ones((10, 10))
    assert laid_down(values, least=8000, among=9) is values
    assert _on_disk(laid_down(values, least=8000, among=10))


def test_a_copy_on_disk_is_the_array():
    values = np.random.default_rng(0).standard_normal((60, 7))
    copy = laid_down(values, least=1)
    assert _on_disk(copy) and copy.dtype == values.dtype
    np.testing.assert_array_equal(copy, values)


def test_a_disk_without_room_leaves_it_in_memory(monkeypatch):
    def full(path, size):
        raise DiskError("full")

    monkeypatch.setattr(mapped, "reserve", full)
    made = room_for((100, 50), least=1)
    made[:] = 3
    assert not _on_disk(made) and made.sum() == 15000
