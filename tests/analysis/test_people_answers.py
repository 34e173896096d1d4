"""Answers about people and items: planted truths, published data, and what cannot be said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.answers.choices import forced_choices
from analysis.answers.garden_paths import _item_effects, garden_paths
from analysis.answers.n400 import (
    effect_curves,
    n400_by_laboratory,
    published_curves,
    published_range,
)
from analysis.answers.persons import alone, held_together, persons_of
from analysis.answers.predictability import predictability
from analysis.ceiling.persons import persons, wide
from analysis.reading.by_trial import trial_table
from data.errors import BrainLensError


def table_of_choices():
    """Four people, three pairs; everybody chooses the second sentence but person d."""
    rows = [(p, q, p != "d") for p in "abcd" for q in range(3)]
    table = pd.DataFrame(rows, columns=["person", "pair", "chose_second"])
    return table.assign(first="x", second="y", rating=1.0, rt=1.0, first_model="m", second_model="n",
                        right=1.0, wrong=-1.0, tie=0.0)  # fmt: skip


def test_choices_by_hand():
    said = forced_choices(
        table_of_choices(), more={"half": pd.Series({0: 1.0, 1: -1.0, 2: np.nan})}
    )
    found = said.frame.set_index("predictor")["agreement"]
    assert (
        found["right"] == pytest.approx(0.75)
        and found["wrong"] == pytest.approx(0.25)
        and found["tie"] == pytest.approx(0.5)
    )
    assert (
        found["half"] == pytest.approx(0.5)
        and said.frame.set_index("predictor").loc["half", "n"] == 8
    )
    # a, b, c see two of three others choose the second; d sees three of three
    assert found["other people"] == pytest.approx(0.75)
    assert found["one other person"] == pytest.approx(0.5)  # 2/3 for a, b and c, 0 for d
    assert said.facts["by_person"].loc["d", "right"] == 0 and said.sentence.startswith(
        "right agrees with people most, in 75.0 %"
    )


def test_models_that_agree_alike_are_all_named():
    said = forced_choices(table_of_choices().assign(also=1.0))
    assert said.sentence.startswith("right and also agree with people most, alike, in 75.0 %")


def test_the_slope_over_items_is_found_with_people_and_items_resampled():
    rng = np.random.default_rng(4)
    people, items = 60, 16
    gap = pd.Series(rng.uniform(0, 6, items), index=[f"i{k:02d}" for k in range(items)])
    rows = [(f"p{p}", f"i{k:02d}", (p + k) % 2 == 0) for p in range(people) for k in range(items)]
    trials = pd.DataFrame(rows, columns=["person", "item", "ambiguous"])
    trials["rt"] = (
        400 + trials["ambiguous"] * 15 * trials["item"].map(gap) + rng.normal(0, 40, len(trials))
    )
    effects, (slope, low, high, n_items, _, _), line = _item_effects(trials, gap)
    assert slope == pytest.approx(15, abs=3) and low < 15 < high and low > 5 and n_items == items
    assert all(low <= rt <= high for _, _, rt, low, high, _ in effects)
    bits, rt, low, high = np.array(line).T
    assert (
        bits[0] == gap.min() and bits[-1] == gap.max() and (low <= rt).all() and (rt <= high).all()
    )
    np.testing.assert_allclose(np.diff(rt) / np.diff(bits), slope)  # a line, wider at its ends
    assert np.argmin(high - low) not in (0, len(bits) - 1)


def test_sentences_are_held_out_where_each_person_read_one_story():
    trials = trial_table("simulated-reading", filter="none")
    stories = sorted(trials.table["story"].unique())[:2]
    mine = trials.table["person"].astype("category").cat.codes % len(stories)
    one = replace(trials, table=trials.table[trials.table["story"] == np.array(stories)[mine]])
    responses = wide(one.table, "rt", item="stimulus")
    groups, what = held_together(one, responses.index)
    assert what == "sentence" and groups.notna().all() and "met one story only" in alone(one, what)
    story = one.table.drop_duplicates("stimulus").set_index("stimulus")["story"]
    assert (story.reindex(groups.index).groupby(groups).nunique() == 1).all()
    assert groups.nunique() > 10
    found = persons(
        responses,
        {"length": one.table.drop_duplicates("stimulus").set_index("stimulus")["length"]},
        groups,
    )
    assert found["r"].notna().all()
    whole, what = held_together(trials, responses.index)
    assert what == "story" == trials.together and alone(trials, what) == "" and whole.nunique() == 2


@pytest.mark.realdata
def test_readers_of_one_maze_story_each_are_predicted(mirror):
    words = pd.Series(trial_table("naturalstories-maze", filter="none").table.drop_duplicates("stimulus")
                      .set_index("stimulus")["length"])  # fmt: skip
    said = persons_of({"length": words}, "naturalstories-maze")
    mean = said.facts["summary"].set_index("predictor")["r"]
    assert len(said.facts["profiles"]) == 63 and 0.4 < mean["other people"] < 0.46
    assert "met one story only" in said.caption


def test_what_is_not_there_is_refused():
    with pytest.raises(BrainLensError, match="no region '3'"):
        garden_paths({"m": "x"}, region="3")


@pytest.mark.realdata
def test_garden_paths_never_say_how_much_of_an_effect_surprisal_predicts(mirror):
    from data.catalog.catalog import recording

    length = recording("sap2024-agreement").stimuli["length"].astype(float)
    said = garden_paths({"length": length})
    slopes = said.facts["slopes"].set_index("construction")
    assert set(said.frame["construction"]) == {"NPZ", "AGREE"} and (slopes["n_items"] == 18).all()
    npz = slopes.loc["NPZ"]
    assert npz["low"] < npz["slope"] < npz["high"] and npz["rt"] == pytest.approx(336, abs=1)
    assert "nothing is said on how much of an effect surprisal predicts" in said.caption
    assert said.sentence.startswith("Do items with a larger difference in surprisal slow people")
    assert not any(word in said.sentence for word in ("%", "predict", "explain", "nan"))
    assert "AGREE: no slope over items by length" in said.sentence  # lengths do not differ


@pytest.mark.realdata
def test_golden_agreement_of_the_published_choices(mirror):
    from data.readers.trials import choices

    table = choices()
    found = forced_choices(table).frame.set_index("predictor")
    direct = ((table["bert"] > 0) == table["chose_second"]).mean()
    assert found.loc["bert", "agreement"] == pytest.approx(direct) and direct == pytest.approx(
        0.857323, abs=1e-6
    )
    assert found.loc["roberta_has_a_mouth", "agreement"] == pytest.approx(0.609848, abs=1e-6)
    assert found.loc["other people", "agreement"] == pytest.approx(0.878535, abs=1e-6)
    by = table.pivot(index="person", columns="pair", values="chose_second").to_numpy(float)
    same = [(by[i] == by[j]).mean() for i in range(len(by)) for j in range(i)]
    assert found.loc["one other person", "agreement"] == pytest.approx(np.mean(same))
    assert (found["n"] == 3960).all() and (found["n_people"] == 30).all()


@pytest.mark.realdata
@pytest.mark.slow
def test_n400_and_cloze_in_every_laboratory(mirror):
    from data.catalog.catalog import recording

    length = recording("nieuwland2018").stimuli["length"].astype(float)
    said = n400_by_laboratory({"length": length})
    cloze = said.frame[said.frame["predictor"] == "cloze"].set_index("lab")
    assert (
        len(cloze) == 10
        and (cloze["low"] > 0).all()
        and cloze.loc["all", "estimate"] == pytest.approx(0.84, abs=0.02)
    )
    assert (
        said.facts["item_r"]["cloze"] == pytest.approx(0.50, abs=0.005)
        and said.facts["cloze_beside"]["length"]["p"] < 1e-6
    )
    assert "over all 26,176 rows of the file r(cloze, N400) = 0.084" in said.caption


@pytest.mark.realdata
@pytest.mark.slow
def test_published_networks_beside_another_predictor(mirror):
    from data.catalog.catalog import recording

    frequency = -recording("ucl-eeg").stimuli["log_frequency"]
    frame = published_range(
        {"rarity": frequency + 0.01 * np.arange(len(frequency)) % 1}
    ).frame.set_index("model")
    assert frame.loc["LSTM (published)", "chi2"] == pytest.approx(44.66, abs=0.01)
    assert (
        frame.loc["SRN (published)", "chi2_low"] == pytest.approx(24.91, abs=0.01)
        and frame.loc["rarity", "converged"]
    )


@pytest.mark.realdata
@pytest.mark.slow
def test_the_shape_of_predictability_never_rests_on_three_levels(mirror):
    bits = pd.read_csv(
        mirror / "brothers2021" / "surprisal" / "EleutherAI__pythia-160m.tsv", sep="\t"
    )
    from data.readers.trials import trials

    table = trials("brothers2021").drop_duplicates("stimulus").set_index("stimulus")
    series = table["sentence_text"].map(bits.set_index("FullSentence")["Surprisal"] / np.log(2))
    said = predictability(
        {"pythia-160m": series},
        cloze={"LC": 0.01, "MC": 0.2, "HC": 0.9},
        smoothing=(0.01,),
        n_folds=2,
    )
    assert (
        set(said.frame["shape"]) == {"probability", "log probability", "spline"}
        and said.frame["converged"].all()
    )
    assert (
        "three levels alone cannot settle" in said.sentence
        and len(said.facts["linear_against_log"]) == 2
    )
    with pytest.raises(BrainLensError, match="No cloze is given for the level"):
        predictability({"pythia-160m": series}, cloze={"LC": 0.01})


@pytest.mark.realdata
@pytest.mark.parametrize("measure", ["EEG", "ET"])
def test_published_curves_come_out_of_published_fits(mirror, measure):
    frame = published_curves(measure)
    assert (frame["difference"].abs() < 2 * frame["se"]).all() and len(frame) == 300
    for _, own in frame.groupby("rnntype"):
        assert np.corrcoef(own["ours"], own["published"])[0, 1] > 0.995
    said = effect_curves(measure)
    assert (
        said.facts["agreement"]["largest_difference_se"].max() < 2
        and len(said.facts["fits"]) == 162
    )
    what = {"EEG": "Effect on the N400", "ET": "Effect on the first-pass time"}[measure]
    assert said.sentence.startswith(what) and "LSTM r = " in said.sentence
    with pytest.raises(BrainLensError, match="measure"):
        published_curves("SPR")
