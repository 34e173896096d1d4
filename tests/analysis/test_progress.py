"""What a long computation tells: pieces done, time left, tokens per second."""

from __future__ import annotations

import pytest

from analysis.progress import Report


def test_tokens_per_second_are_those_of_the_last_second_and_the_time_left_that_of_the_stage(
    monkeypatch,
):
    clock, told = [100.0], []
    monkeypatch.setattr("analysis.progress.time.monotonic", lambda: clock[0])
    report = Report(on_progress=lambda *said: told.append(said))
    for seconds, done, tokens in ((0, 0, 0), (0.5, 1, 300), (0.5, 2, 900), (0.1, 3, 950), (2, 4, 2900)):  # fmt: skip
        clock[0] += seconds
        report.step(done, 8, "stimuli", tokens=tokens)
    words = [what for _, _, what, _ in told]
    assert words == ["stimuli", "stimuli", "900 tokens per second, stimuli",
                     "900 tokens per second, stimuli", "952 tokens per second, stimuli"]  # fmt: skip
    assert told[-1][3] == pytest.approx(3.1)
    report.step(0, 3, "layers")
    assert told[-1][2:] == ("layers", None)
