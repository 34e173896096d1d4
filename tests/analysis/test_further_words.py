"""What the further pictures of an answer say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.answers import further_words as words


def course(**more) -> pd.DataFrame:
    return pd.DataFrame(
        {"depth": ["lower", "lower", "upper", "upper"], "sd": [0.2, 0.8] * 2, "r": [0.3, 0.1, 0.35, 0.25],
         "r_low": [0.2, 0.05, 0.3, np.nan], "r_high": [0.4, 0.15, 0.4, np.nan], **more}
    )  # fmt: skip


def test_the_end_of_each_line_is_said_with_its_interval():
    asked = dict(by="depth", x="sd", unit=" sd", label="Pearson r")
    said = words.at_the_end(course(), "r", **asked, whole=".40 whole")
    assert said == "Pearson r: .40 whole; lower .10 [.05, .15] at 0.8 sd; upper .25 at 0.8 sd."
    said = words.at_the_end(course(), "r", **asked, first=True)
    assert "lower .10 [.05, .15] at 0.8 sd (.30 [.20, .40] at 0.2 sd)" in said
    some = course(delta_ll=[np.nan, np.nan, 0.00126, 0.0004])
    assert "upper .0004 at 0.8 sd" in words.at_the_end(some, "delta_ll", **asked)


def test_half_of_r_is_gone_somewhere_or_nowhere():
    assert words.half_gone({"a": 41.2, "b": np.nan}, 90) == (
        "Half of r is gone in a at 41 % of masked words; up to 90 % it is not in b."
    )
    assert words.half_gone({"b": np.nan}, 90) == "Up to 90 % it is not in b."


def test_births_stand_in_their_order():
    born = pd.DataFrame({"birth": ["init", "mixture"], "share": [0.2, 0.54], "share_low": [0.1, np.nan],
                         "share_high": [0.3, np.nan]})  # fmt: skip
    assert words.at_birth(born) == (
        "Of the finished model's r there is at birth: 54 % by mixture, weight compression and 20 % [10, 30] by library "
        "initialisation."
    )


def test_the_plane_names_what_reaches_the_share_of_vision_or_that_nothing_does():
    iso = pd.DataFrame({"level": [0.5, 0.5, 0.8], "part": ["all", "norms", "all"], "weights_percent": [100.0, 1.0, 100.0],
                        "updates_percent": [1.0, 5.0, 20.0], "front": True})  # fmt: skip
    assert words.plane(iso) == (
        "80 % of r is reached by 20 % of the updates of 100 % of the weights (all), from the library's initialisation."
    )
    said = words.plane(iso[iso["level"] < 0.8])
    assert said.startswith("No set of weights reaches 80 % of r; 50 % of r is reached by 1 % of")
    assert " or 5 % of the updates of 1 % of the weights (norms)" in said


def test_networks_on_the_front_in_the_search_and_made_anew():
    search = [0.1, 0.2, 0.15, 0.1, 0.3, 0.2, 0.1, 0.1]
    frame = pd.DataFrame({"number": range(8), "formula": [f"f{n}" for n in range(8)], "search": search, "held_out": 0.1,
                          "weights": 1000.0 * np.arange(1, 9), "front": [True, False] * 4})  # fmt: skip
    assert words.front(frame) == (
        "4 of 8 networks are on the front, from f0 (1,000 weights, r = .10 unseen) to f6 (7,000 weights, r = .10 unseen)."
    )
    assert words.front(frame.head(1)).startswith("One of 1 network is on the front: f0")
    assert words.best_so_far(frame) == (
        "The best of the search is network 5 of 8 (r = .30 on its stimuli); its first quarter reached .20."
    )
    means = pd.DataFrame({"formula": ["x", "y"], "seeds": 5, "held_out": [0.1, 0.2], "held_out_low": [0.0, 0.1],
                          "held_out_high": [0.2, 0.3]})  # fmt: skip
    assert words.remade(means) == (
        "From 5 fresh seeds each, on unseen stimuli: y .20 [.10, .30] and x .10 [.00, .20]."
    )


def test_the_most_and_the_least_alike_pair():
    pairs = pd.DataFrame(
        {"first": ["a", "a", "b"], "second": ["b", "c", "c"], "value": [0.2, 0.7, 0.4]}
    )
    assert words.alike(pairs) == "a and c are most alike (.70), a and b least (.20), of 3 pairs."
    assert words.alike(pairs.head(1)) == "a and b: .20."


def test_slices_are_named_only_where_their_interval_leaves_0_out():
    slices = pd.DataFrame({"level": ["short", "long"], "low": [0.01, -0.1], "high": [0.2, 0.1]})
    assert words.ahead(slices, "a", "b") == "Ahead by its own interval, of 2 slices: a in short."
    assert words.ahead(slices.tail(1), "a", "b") == (
        "In none of 1 slice is one of them shown to be ahead."
    )


def test_checkpoints_from_the_first_to_the_last():
    frame = pd.DataFrame(
        {
            "model": "m",
            "step": [64, 0],
            "bits_per_byte": [2.5, 5.0],
            "layer": [3, 0],
            "chosen": True,
        }
    )
    assert words.by_step(frame) == "Bits per byte: m 2.50 at step 64 (5.00 at step 0)."
    assert words.by_layer(frame) == "Most folds use: m layer 3 at step 64 (0 at step 0)."
    assert words.by_layer(frame.assign(chosen=False)) == "No layer was chosen."


def test_the_most_surprising_word():
    table = pd.DataFrame({"word": ["the", " boat", "?"], "bits": [1.0, 7.0, np.nan]})
    assert words.of_a_word(table, "word", "bits") == (
        "4.0 bits in the mean of 2 words, most at “boat” (7.0)."
    )
    assert words.of_a_word(table.tail(1), "word", "bits") == "No word has a probability."
