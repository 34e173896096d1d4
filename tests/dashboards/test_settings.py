"""Settings: where models run is chosen there, said in words, and refused in words."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from analysis.store.store import Store
from dashboards.page.settings import DEVICES, _devices, _kept


def pressed(pick, value: str) -> None:
    """Choose as the page does (in a thread of its own: a browser test leaves its event loop running in this one)."""
    callbacks = [
        each.fn
        for each in pick.param.watchers["value"]["value"]
        if getattr(each.fn, "__name__", "") == "changed"
    ]
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, callbacks[0](SimpleNamespace(new=value))).result()


def test_a_device_is_chosen_and_one_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("BRAINLENS_DEVICE", "auto")
    pick, told = _devices({})
    assert pick.value == "auto" and set(pick.options.values()) == set(DEVICES.values())
    pressed(pick, "cpu")
    assert os.environ["BRAINLENS_DEVICE"] == "cpu" and "cpu" in told.object
    pressed(pick, "cuda:99")
    assert os.environ["BRAINLENS_DEVICE"] == "cpu" and "cuda:99" in told.object


def test_a_served_page_leaves_it_to_the_keeper(monkeypatch):
    monkeypatch.setenv("BRAINLENS_SERVED", "1")
    pick, told = _devices({})
    assert pick.disabled and "BRAINLENS_DEVICE" in told.object


def test_how_much_is_kept_is_chosen_and_what_is_no_size_is_refused(clean_home, monkeypatch):
    monkeypatch.delenv("BRAINLENS_CACHE_LIMIT", raising=False)
    most, told = _kept({})
    assert most.value == "53.7 GB"
    pressed(most, "2GB")
    assert Store().limit == 2e9 and "At most 2.0 GB" in told.object
    pressed(most, "plenty")
    assert "'plenty' is not a size" in told.object and most.value == "2.0 GB"
    monkeypatch.setenv("BRAINLENS_CACHE_LIMIT", "3GB")
    assert _kept({})[0].disabled
