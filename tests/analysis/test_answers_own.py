"""Answers about the user's own scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.answers.answer import decimal, interval, listed, plural
from analysis.answers.groups import grouped
from analysis.answers.layers import layers
from analysis.answers.reading import benchmark
from analysis.answers.task import own_task
from analysis.answers.untrained import own_untrained
from data.errors import BrainLensError
from data.shares import percent


def test_layers_say_score_interval_ceiling_controls_and_leak(make_score):
    frame, sentence = layers([make_score(), make_score("glove", 1, peak=0, height=0.25)])
    assert set(frame["model"]) == {"gpt2", "glove"} and len(frame) == 6
    assert sentence.startswith("gpt2 predicts pereira2018 with r = .40 [")
    assert "80 % [74 %, 87 %] of the ceiling .50; length and position alone give .30" in sentence
    assert "shuffled folds would give .46" in sentence
    assert "glove (single layer) predicts it with r = .25" in sentence


def test_layers_of_an_averaged_recording_have_no_share_of_a_ceiling(make_score):
    answer = layers([make_score(averaged=True)])
    assert "of the ceiling" not in answer.sentence
    assert "No ceiling: the responses are averaged over people." in answer.caption


def test_more_than_the_ceiling_is_said_not_clipped(make_score):
    sentence = layers([make_score(ceiling=0.38)]).sentence
    assert "of the ceiling .38, which is too low for this measure" in sentence


def test_a_negative_score_has_no_share_of_a_negative_ceiling(make_score):
    score = make_score(height=-0.3, ceiling=-0.1)
    assert score.value < 0 and score.ceiling.divides and score.ceiling.high < 0
    assert np.isnan(score.share).all() and score.table()["normalised"].isna().all()
    assert score.per_target()["normalised"].isna().all()
    assert grouped([score], "subject").frame["normalised"].isna().all()


def test_the_ceiling_of_an_average_divides_no_single_persons_times(make_score):
    score = make_score()
    average = {"kind": "split-half", "holds_for": "the average over people", "value": 0.2}
    score = replace(score, ceiling=replace(score.ceiling, **average))
    row = benchmark([score]).frame.iloc[0]
    assert row["ceiling"] == 0.2 and np.isnan(row["normalised"]) and np.isnan(score.share).all()
    assert "% of the ceiling" not in layers([score]).sentence + score.sentence()


def test_only_the_lower_edge_of_the_grid_of_penalties_is_warned_of(make_score):
    score = make_score()
    smallest, *_, largest = score.protocol.alphas
    for alpha, warned in ((smallest, True), (largest, False)):
        at = replace(score, dataset=score.dataset.assign(alpha=0 * score.dataset.alpha + alpha))
        assert any("smallest of the grid" in line for line in at.warnings()) == warned


def test_a_constant_layer_is_kept_and_named(make_score):
    answer = layers([make_score(empty_layers=(0,))])
    assert answer.frame["r"].isna().sum() == 1
    assert list(answer.missing["model"]) == ["gpt2 layer 0"]
    assert "gpt2 layer 0 (constant features)" in answer.caption


def test_layers_tell_stored_fresh_and_partial(make_score):
    answer = layers([make_score(cached=True), make_score("b", complete=False), make_score("c")])
    assert dict(zip(answer.frame["model"], answer.frame["source"])) == {
        "gpt2": "stored",
        "b": "partial",
        "c": "fresh",
    }
    assert "Still being computed: b." in answer.caption


def test_recordings_are_not_mixed(make_score):
    with pytest.raises(BrainLensError, match="2 recordings do not belong on one axis"):
        layers([make_score(), make_score(recording="blank2014")])
    with pytest.raises(BrainLensError, match="No score to answer with"):
        layers([])


def test_untrained_copies_become_a_band(make_score):
    copies = [
        make_score(f"gpt2@untrained:init:{i}", height=0.15 + 0.01 * i, seed=i) for i in range(5)
    ]
    answer = own_untrained([make_score(), *copies, make_score("random-768", 1, peak=0, height=0.1)])
    band = answer.frame[answer.frame["model"] == "gpt2@untrained:init"]
    assert list(band["seeds"]) == [5] * 5
    assert (band["low"] < band["r"]).all() and (band["r"] < band["high"]).all()
    assert band.set_index("layer").loc[3, "r"] == pytest.approx(0.17, abs=0.01)
    assert set(answer.frame["condition"]) == {"trained", "init", "random embedding"}
    assert "over 5 seeds) untrained, scheme init" in answer.sentence
    assert answer.missing.empty and "too narrow" not in answer.caption


def test_few_seeds_are_called_few(make_score):
    answer = own_untrained(
        [make_score(), make_score("gpt2@untrained:init:0", height=0.2), make_score("bert")]
    )
    assert "Fewer than 5 seeds (gpt2@untrained:init: 1)" in answer.caption
    assert list(answer.missing["model"]) == ["bert"]


def _own(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = np.linspace(0.9, 2.0, n)
    return pd.DataFrame({"model": [f"m{i}" for i in range(n)], "family": [f"f{i}" for i in range(n)], "x": x,
                         "y": 0.6 - 0.2 * x + rng.normal(0, 0.01, n)})  # fmt: skip


def test_own_runs_have_their_own_fit():
    table = pd.concat(
        [
            _own(7),
            pd.DataFrame(
                [
                    {
                        "model": "minilm",
                        "family": "bert",
                        "x": np.nan,
                        "y": 0.4,
                        "reason": "gives no probabilities",
                    }
                ]
            ),
        ]
    )
    answer = own_task(table, x_title="Bits per byte", y_title="r")
    assert answer.correlation.r > 0.9 and answer.correlation.n == 7
    assert answer.fit["y"].iloc[0] > answer.fit["y"].iloc[-1]
    assert "minilm (gives no probabilities)" in answer.caption


def test_three_models_are_too_few_for_a_correlation():
    answer = own_task(_own(3), x_title="Bits per byte", y_title="r")
    assert answer.correlation is None and answer.fit.empty and len(answer.frame) == 3
    assert "too few for a correlation" in answer.sentence


def test_four_families_have_no_interval_and_no_band():
    answer = own_task(
        _own(4).assign(width=[64, 128, 256, 300]), x_title="Bits per byte", y_title="r"
    )
    assert "(too few families for an interval)" in answer.sentence
    assert len(answer.fit) and answer.fit[["low", "high"]].isna().all(axis=None)
    assert (
        "No interval and no band below 5 model families." in answer.caption
        and "95 %" not in answer.caption
    )
    assert "With log width taken out of both" in answer.caption and "[" not in answer.caption
    assert own_task(_own(5), x_title="Bits per byte", y_title="r").fit["low"].notna().all()


def test_what_does_not_vary_has_no_correlation():
    answer = own_task(_own(6).assign(x=2019.0), x_title="Year", y_title="r", better=1)
    assert answer.correlation is None and len(answer.frame) == 6 and answer.fit.empty
    assert answer.sentence == "6 models of your own: x or y does not vary."


def test_width_is_taken_out_where_it_is_known_and_never_out_of_itself():
    table = _own(8).assign(width=np.array([64, 128, 256, 512, 300, 100, 700, 90.0]))

    def caption(width, **change):
        return own_task(
            table.assign(width=width, **change), x_title="x", y_title="r", better=1
        ).caption

    assert "With log width taken out of both, r = " in caption(table["width"])
    for x in (table["width"], table["width"] * 1.0):
        answer = own_task(table.assign(x=x), x_title="Width", y_title="r", better=1, log=True)
        assert np.isnan(answer.correlation.partial) and "log width" not in answer.caption
    assert "over 7 models (width of m3 unknown)." in caption(table["width"].where(table.index != 3))
    assert "not given: width of m2, m3, m4, m5, m6 and m7 unknown." in caption(
        table["width"].where(table.index < 2)
    )
    assert "not given: all models have one width." in caption(64.0)
    assert "not given: it leaves nothing of x or of y." in caption(
        table["width"], x=np.log(table["width"])
    )
    assert "width" not in own_task(_own(8), x_title="x", y_title="r").caption


def test_perplexities_are_compared_inside_one_tokenizer():
    from analysis.answers.task import tokenizers

    assert tokenizers([("gpt2", "a", 10)]) == ""
    assert (
        tokenizers([("gpt2", "a", 10), ("gpt2-xl", "a", None)])
        == "The 2 models share one tokenizer."
    )
    said = tokenizers([("gpt2", "a", 10), ("gpt2-xl", "a", 10), ("opt", "b", 12), ("lstm", "", 50)])
    assert (
        "do not share one tokenizer (gpt2, 10 tokens and gpt2-xl, 10 tokens; opt, 12 tokens; lstm, 50 tokens)"
        in said
    )
    said = tokenizers([("gpt2", "a", 10), ("opt", "b", None)])
    assert said.startswith("The tokenizers' files differ (gpt2, 10 tokens; opt)") and said.endswith(
        "is not known."
    )
    assert "files differ, but each of the 2 models cuts the text into 1,000" in tokenizers(
        [("a", "h", 1000), ("b", "i", 1000)]
    )
    assert "do not share" in tokenizers([("a", "", 5), ("b", "", 5)])


def test_numbers_in_words():
    assert [decimal(v) for v in (0.5, -0.183, 1.04, 0.999, -0.001, np.nan)] == [
        ".50",
        "-.18",
        "1.04",
        "1.00",
        ".00",
        "not defined",
    ]
    assert interval(0.04, 0.73) == "[.04, .73]" and interval(np.nan, 1) == ""
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c" and listed([]) == ""
    assert (
        plural(1, "model") == "1 model"
        and plural(1234, "model") == "1,234 models"
        and percent(0.807) == "81 %"
    )


def test_schemes_stand_beside_each_other_at_the_chosen_layer(make_score):
    from analysis.answers.untrained import at_chosen_layer

    heights = {"init": 0.15, "permute": 0.45}
    copies = [make_score(f"gpt2@untrained:{name}:{i}", height=height + 0.01 * i, seed=i)
              for name, height in heights.items() for i in range(5)]  # fmt: skip
    answer = at_chosen_layer([make_score(), *copies])
    frame = answer.frame.set_index("condition")
    assert list(frame.index) == ["trained", "init", "permute", "random embedding"]
    assert frame.loc["init", "r"] == pytest.approx(np.mean([score.value for score in copies[:5]]))
    assert frame.loc["init", "low"] == min(score.value for score in copies[:5])
    assert frame.loc["init", "seeds"] == 5 and frame.loc["trained", "seeds"] == 0
    assert frame.loc["random embedding", "r"] == 0.2 and set(frame["width"]) == {768}
    assert frame.loc["trained", "normalised"] == pytest.approx(frame.loc["trained", "r"] / 0.5)
    assert len(answer.facts["seeds"]) == 10
    assert (
        "is above every seed of library initialisation; not above every seed of weights shuffled"
        in answer.sentence
    )
    assert "Width: gpt2 768." in answer.caption


def test_the_same_data_maximum_is_marked_and_its_gain_named(make_score):
    score = make_score()
    answer = layers([score])
    assert (
        answer.frame["best"].sum() == 1
        and answer.frame.loc[answer.frame["best"], "layer"].item() == score.best_layer
    )
    assert answer.frame["optimism"].iloc[0] == pytest.approx(score.optimism)
    assert "(selection optimism)" in answer.sentence
    assert "selection optimism" not in layers([make_score(n_layers=1, peak=0)]).sentence


def test_a_committed_layer_is_named_before_the_data_are_seen(make_score):
    from analysis.answers.task import committed

    score = make_score()
    table = score.table().set_index("layer")
    assert committed(score)["layer"] == 3 and committed(score)["r"] == score.value
    assert committed(score, "-1")["r"] == table.loc[4, "r"] and committed(score, "2")["layer"] == 2
    assert committed(score, "0.5")["layer"] == 2 and committed(score, "1.0")["layer"] == 4
    assert committed(score, "2")["normalised"] == pytest.approx(table.loc[2, "r"] / 0.5)
    for wrong in ("9", "-7", "1.5"):
        with pytest.raises(BrainLensError, match="has no layer"):
            committed(score, wrong)
    with pytest.raises(BrainLensError, match="is no layer"):
        committed(score, "top")


def test_what_the_context_and_the_split_ask_stands_beside_the_number(make_score):
    alone = make_score(changes={"context": "none"})
    alone.provenance["recording"]["stops"] = 1.0
    assert "100 % end with a punctuation mark" in layers([alone]).caption
    assert any("punctuation mark" in line for line in alone.warnings())
    assert "punctuation" not in layers([make_score()]).caption
    strict = make_score(protocol="defended:leave-one-group-out")
    assert (
        "The stricter question" in layers([strict]).caption
        and strict.protocol.split == "leave-one-group-out"
    )
