"""The first rows as they were understood: texts with what they follow, who was measured, in which unit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.own import read as own
from data.own.first_rows import FOLLOWS, first_rows
from tests.data.own_tables import saved, table


def test_a_word_follows_the_words_of_its_own_text(tmp_path):
    frame = pd.DataFrame(
        [
            {"word": word, "story": story, "reader": reader, "rt": 300 + 10 * i + 5 * (reader == "b")}
            for reader in ("a", "b")
            for story in (1, 2)
            for i, word in enumerate(["It", "rained", ",", "and", "nobody", "came", "."])
        ]
    )  # fmt: skip
    shown = first_rows(own.read(saved(tmp_path, frame)), count=9)
    assert shown["text"].tolist()[:3] == ["It", "rained", ","] and len(shown) == 9
    assert shown["follows"].tolist()[:3] == ["", "It ", "It rained"]
    assert shown["follows"].iloc[7] == ""  # the second story begins
    assert shown["held out with"].tolist()[6:8] == ["1", "2"]
    people = [name for name in shown.columns if name.endswith("[ms]")]
    assert len(people) == 2 and shown[people].iloc[1].tolist() == [310, 315]
    assert shown["measured"].eq(2).all()
    assert shown.attrs["people"] == 2 and shown.attrs["rows"] == 14 and shown.attrs["unit"] == "ms"


def test_sentences_have_gaps_groups_and_long_contexts_are_cut(tmp_path):
    frame = table(24, bold=np.where(np.arange(24) == 1, np.nan, np.arange(24) / 8))
    shown = first_rows(own.read(saved(tmp_path, frame), context="topic"), count=5)
    assert shown["measured"].tolist() == [1, 0, 1, 1, 1] and np.isnan(shown["bold"].iloc[1])
    assert shown["follows"].tolist()[0] == "" and shown["follows"].tolist()[4] == ""
    assert shown["follows"].iloc[1] == "Sentence 0 is about thing 0. "
    assert (
        shown["follows"].iloc[3].startswith("… ") and len(shown["follows"].iloc[3]) <= FOLLOWS + 2
    )
    assert shown["follows"].iloc[3].endswith("Sentence 2 is about thing 2. ")
    alone = first_rows(own.read(saved(tmp_path, frame), context=None, group=None), count=3)
    assert alone.attrs["people"] == 0 and alone.attrs["targets"] == 1


def test_targets_of_different_people_are_shown_and_the_rest_is_counted(tmp_path):
    wide = table(24)[["sentence", "topic"]]
    for who in ("s1", "s2", "s3"):
        for place in ("ifg", "mtg"):
            wide[f"{who}_{place}"] = np.arange(24) / 7
    found = own.read(saved(tmp_path, wide), responses="{subject}_{region}")
    shown = first_rows(found, count=2, targets=3)
    assert len(shown.columns) == 5 + 3
    assert [any(who in name for name in shown.columns[5:]) for who in ("s1", "s2", "s3")] == [
        True
    ] * 3
    assert all("ifg" in name for name in shown.columns[5:]) and shown.attrs["targets"] == 6
    assert first_rows(found, count=99)["stimulus"].tolist() == [str(i) for i in found.stimuli.index]
