"""Words with times as laboratories write them: other units, commas, phones beside words, captions; and arrays that lie turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import BrainLensError
from data.stories.story import read_story
from data.stories.words import holds_words, read_words

WORDS = [f"word{chr(97 + i)}" for i in range(26)]
ONSET = np.round(1 + np.arange(26) * 0.45, 2)


def written(folder, name="w.csv", onset=ONSET, duration=0.3, words=WORDS, **options):
    """A table of words with times; duration is one number for all of them."""
    frame = pd.DataFrame({"onset": onset, "duration": duration, "word": words})
    frame.to_csv(folder / name, index=False, **options)
    return folder / name


def test_decimal_commas_are_seconds(tmp_path):
    found = read_words(written(tmp_path, sep=";", decimal=","))
    assert found["onset"].tolist() == ONSET.tolist() and found["text"].tolist() == WORDS


@pytest.mark.parametrize(
    ("onset", "duration", "says"),
    [
        (ONSET * 44100, 0.3 * 44100, "samples of the sound.*44100"),
        (ONSET, 300, "durations in milliseconds beside onsets in seconds.*Divide the durations"),
        (ONSET * 1000, 300, "look like milliseconds.*Divide onsets and durations"),
        ([f"00:00:{x:06.3f}" for x in ONSET], 0.3, "'onset' holds 26 cells that are not numbers.*seconds as plain"),
    ],
)  # fmt: skip
def test_each_wrong_unit_is_named_with_its_own_way_out(tmp_path, onset, duration, says):
    with pytest.raises(BrainLensError, match=says):
        read_words(written(tmp_path, onset=onset, duration=duration))


def test_onsets_in_whole_numbers_are_doubted(tmp_path):
    assert "whole numbers" in read_words(written(tmp_path, onset=ONSET // 2)).attrs["notes"][0]
    assert not read_words(written(tmp_path)).attrs["notes"]
    assert not read_words(written(tmp_path, onset=np.arange(26.0))).attrs["notes"]  # one a second


def test_phones_beside_words_are_left_out_and_told(tmp_path):
    phones = pd.DataFrame({"onset": ONSET + 0.1, "duration": 0.1, "text": "f", "tier": "phone"})
    words = pd.DataFrame({"onset": ONSET, "duration": 0.3, "text": WORDS, "tier": "word"})
    path = tmp_path / "w.csv"
    pd.concat([phones, words]).sort_values("onset").to_csv(path, index=False)
    found = read_words(path)
    assert found["text"].tolist() == WORDS
    assert "26 rows that 'tier' calls phone left out, 26 of words taken" in found.attrs["notes"][0]


def test_a_table_without_a_header_is_told(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("\n".join(f"{w},{o},{o + 0.3:.2f}" for w, o in zip(WORDS, ONSET)) + "\n")
    with pytest.raises(
        BrainLensError, match="does not begin with a line of column names, but with worda"
    ):
        read_words(path)


@pytest.mark.parametrize("ending", ["srt", "vtt"])
def test_captions_lose_their_marks_and_sounds(tmp_path, ending):
    mark, head = (",", "") if ending == "srt" else (".", "WEBVTT\n\n")
    times = [(1, 3, "<i>He left</i>"), (4, 5, "[music]"), (6, 7, "home.")]
    blocks = [
        f"{n}\n00:00:0{a}{mark}000 --> 00:00:0{b}{mark}000\n{text}\n"
        for n, (a, b, text) in enumerate(times, 1)
    ]
    path = tmp_path / f"w.{ending}"
    path.write_text(head + "\n".join(blocks), encoding="utf-8-sig")
    found = read_words(path)
    assert holds_words(path) and found["text"].tolist() == ["He", "left", "home."]
    assert found["onset"].iloc[0] == 1 and found["offset"].iloc[-1] == 7
    notes = " ".join(found.attrs["notes"])
    assert "words of 1 captions share" in notes and "1 captions of sounds" in notes


def test_an_array_that_lies_turned_is_refused_and_notes_reach_the_recording(tmp_path):
    written(tmp_path, sep=";", decimal=",")
    (tmp_path / "story.toml").write_text(
        'id = "fox"\ninterval = 0.5\n[words]\nrun1 = "w.srt"\n[people.s1]\nrun1 = "s.npy"\n'
    )
    caption = "1\n00:00:01,000 --> 00:00:12,000\n" + " ".join(WORDS) + "\n"
    (tmp_path / "w.srt").write_text(caption)
    signal = np.random.default_rng(0).standard_normal((30, 4))
    np.save(tmp_path / "s.npy", signal.T)
    with pytest.raises(
        BrainLensError, match=r"s.npy looks transposed: 4 samples x 30 targets last 2 s"
    ):
        read_story(tmp_path)
    for shape, early in (((19, 24), True), ((24, 25), False)):
        array = np.random.default_rng(1).standard_normal(shape)
        np.save(tmp_path / "s.npy", array)  # nearly square: the words end at 12 s
        if early:
            with pytest.raises(BrainLensError, match="did the scan stop early") as told:
                read_story(tmp_path)
            assert "19 x 24" in str(told.value)
            assert 'say rows = "samples" in story.toml' in told.value.remedy
            toml = (tmp_path / "story.toml").read_text()
            (tmp_path / "story.toml").write_text('rows = "samples"\n' + toml)
            assert read_story(tmp_path).responses.shape == shape
            (tmp_path / "story.toml").write_text('rows = "targets"\n' + toml)
            with pytest.raises(BrainLensError, match="rows of plain arrays 'targets'"):
                read_story(tmp_path)
            (tmp_path / "story.toml").write_text(toml)
            names = ",".join(f"v{i}" for i in range(shape[1]))  # a name above each target
            np.savetxt(tmp_path / "s.csv", array, delimiter=",", header=names, comments="")
            toml = (tmp_path / "story.toml").read_text()
            (tmp_path / "story.toml").write_text(toml.replace("s.npy", "s.csv"))
            assert read_story(tmp_path).n_targets == shape[1]
            (tmp_path / "story.toml").write_text(toml)
        else:
            notes = read_story(tmp_path).notes
            assert any("is 24 x 25: its rows are taken as samples" in note for note in notes)
    np.save(tmp_path / "s.npy", signal)
    found = read_story(tmp_path)
    assert not any("the other way round" in note for note in found.notes)
    assert found.n_targets == 4 and any("words of 1 captions share" in note for note in found.notes)


def test_a_first_line_that_no_sign_parts_into_names_is_told_in_words(tmp_path):
    (tmp_path / "words.tsv").write_text("語語\n1\t2\n", encoding="utf-8")
    with pytest.raises(BrainLensError, match="does not begin with a line of column names"):
        read_words(tmp_path / "words.tsv")
