"""Filters of reading times."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data.errors import BrainLensError
from data.filters import apply_filter
from data.recording import Recording


def recording(unit, kind="eeg"):
    values = xr.DataArray(
        np.array([[-1.5], [0.5], [2.0]]),
        dims=("stimulus", "target"),
        coords={"stimulus": [0, 1, 2], "target": ["n400"]},
    )
    edges = {"first_in_sentence": [True, False, False], "last_in_sentence": [False, False, True]}
    words = pd.DataFrame({"text": ["One", "two", "three."], **edges})
    return Recording("erp", values, words, kind=kind, unit=unit, scored_unit="word", averaged=True)


@pytest.mark.parametrize("name", ["official", "times-only"])
def test_limits_in_ms_need_times_in_ms(name):
    with pytest.raises(
        BrainLensError,
        match=rf"'{name}' needs reading times in ms, and these are eeg in a.u.*none, no-edges",
    ):
        apply_filter(recording("a.u."), name)
    assert apply_filter(recording("a.u."), "no-edges").n_measured == 1
    with pytest.raises(BrainLensError, match="leaves nothing"):
        apply_filter(recording("ms", "reading_times"), name)
