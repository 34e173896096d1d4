"""From a model and a recording of words to the answer: the embedded readers, the store, filters, word tables, real corpora."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.answers.reading import against, against_scores, answer, reading, verdicts, versions
from analysis.models import load
from analysis.paper.methods_reading import paragraph
from analysis.reading.frame import people_frame, word_frame
from analysis.reading.run import corpus, price, read
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.readers.reading_times import realign

MODEL = "zoo-causal-400k"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with nothing behind it."""
    return Store(tmp_path_factory.mktemp("store"), readers=())


@pytest.fixture(scope="module")
def found(store):
    return read(MODEL, "simulated-reading", store=store)


# ---- word tables -------------------------------------------------------------------------------------------------------
def test_people_are_averaged_or_kept():
    one = recording("simulated-reading")
    frame = word_frame(one, pd.Series(1.0, index=one.stimuli.index))
    assert frame.measures == ("mean over people",) and (frame.kind, frame.link) == (
        "self-paced",
        "log",
    )
    assert frame.table["mean over people"].to_numpy() == pytest.approx(
        one.responses.values.mean(axis=1)
    )
    assert frame.table.groupby("story")["zone"].max().tolist() == [543, 465, 469, 403, 338]
    values = one.responses.values.copy()
    values[3, 2] = np.nan
    gap = replace(one, responses=one.responses.copy(data=values))
    assert word_frame(gap).table["mean over people"].iloc[3] == pytest.approx(np.nanmean(values[3]))
    long = people_frame(gap, pd.Series(1.0, index=one.stimuli.index))
    assert len(long) == values.size - 1 and long["rt"].iloc[0] == values[0, 0]


def test_a_recording_of_sentences_is_refused():
    with pytest.raises(BrainLensError, match="per sentence"):
        word_frame(recording("simulated"))
    averaged = recording("simulated-reading")
    averaged = replace(averaged, averaged=True)
    with pytest.raises(BrainLensError, match="no people"):
        people_frame(averaged, pd.Series(1.0, index=averaged.stimuli.index))


def test_the_embedded_readers_are_those_of_their_recipe():
    from tools.plant_reading import make

    made, shipped = make(), recording("simulated-reading")
    assert shipped.responses.values == pytest.approx(made.responses.values, abs=0.2)
    assert shipped.truth["model"] == MODEL and shipped.truth["kernel"] == [1.0, 0.5, 0.25]


# ---- one reading -------------------------------------------------------------------------------------------------------
def test_the_planted_model_reads_like_the_simulated_people(found):
    row = found.rows.iloc[0]
    assert row["low"] > 0 and row["verdict"] == "aligned" and "held out by story (5)" in row["rule"]
    assert row["n_words"] + row["n_dropped"] == len(found.words) == 2218
    assert found.stamp == "simulated data" and any("no-edges" in note for note in found.notes)
    lags = found.profile[found.profile["predictor"] == "surprisal"].set_index("lag")["coefficient"]
    assert lags[0] > lags[1] > lags[2] > 3 * abs(lags[-1])  # the planted spillover 1, .5, .25
    assert found.words["pieces"].iloc[5].replace("|", "") == "Bridge"
    assert (found.words["surprisal"] == found.words["corrected"]).all()


def test_a_second_request_computes_nothing(found, store, monkeypatch):
    model = load(MODEL)
    assert price(MODEL, "simulated-reading", store=store).cached
    assert not price("zoo-causal-200k", "simulated-reading", store=store).cached

    def never(*_, **__):
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(type(model), "surprisal", never)
    again = read(model, "simulated-reading", store=store)
    pd.testing.assert_frame_equal(again.rows, found.rows)


@pytest.mark.parametrize(("form", "link"), [("gam", "log"), ("mixed", "log")])
def test_other_models_of_the_times(store, form, link):
    row = read(MODEL, "simulated-reading", form=form, link=link, store=store).rows.iloc[0]
    assert row["low"] > 0 and form in row["rule"] and link in row["rule"]


def test_versions_of_an_item_are_held_out_together(store):
    one = recording("simulated-reading")
    pair = one.stimuli["story"].map(
        {s: f"i{k // 2}" for k, s in enumerate(one.stimuli["story"].unique())}
    )
    paired = replace(one, stimuli=one.stimuli.assign(pair=pair), group="pair")
    row, alone = (read(MODEL, each, store=store).rows.iloc[0] for each in (paired, one))
    assert (row["n_texts"], alone["n_texts"]) == (3, 5) and "(3)" in row["rule"]
    assert row["n_words"] == alone["n_words"] and row["delta_ll"] != alone["delta_ll"]


def test_shuffled_times_give_nothing(store):
    one = recording("simulated-reading")
    order = np.random.default_rng(0).permutation(one.n_stimuli)
    shuffled = replace(one, responses=one.responses.copy(data=one.responses.values[order]))
    found = read(MODEL, shuffled, store=store)
    row = found.rows.iloc[0]
    assert row["low"] < 0 and row["verdict"] == "undecided" and abs(row["delta_ll"]) < 0.01
    said = answer([found]).sentence  # k columns cost k / 2n: below 0 is no harm
    assert "adds no gain that is shown" in said and "worse" not in said


# ---- answers -----------------------------------------------------------------------------------------------------------
def test_the_answer_lists_who_cannot_read(store, found):
    said = reading([MODEL, "zoo-glove-64d"], ["simulated-reading"], store=store)
    assert (
        said.frame["model"].tolist() == [MODEL]
        and "zoo-glove-64d" in said.missing["model"].tolist()
    )
    assert (
        "goes with" in said.sentence
        and "zoo-glove-64d" in said.caption
        and said.facts["stamp"] == "simulated data"
    )
    assert (
        "No model has read"
        in reading(["zoo-glove-64d"], ["simulated-reading"], store=store).sentence
    )
    with_four = pd.concat([found.rows.assign(model=f"m{i}", family=f"f{i}", bits_per_word=9.0 + i, delta_ll=0.4 - 0.1 * i)
                           for i in range(4)])  # fmt: skip
    assert against(with_four).correlation.r == pytest.approx(1.0)


def test_real_recordings_are_averaged_with_the_same_weight_and_simulated_ones_are_not(found):
    def as_real(name, value, words=found.words):
        rows = found.rows.assign(
            recording=name, simulated=False, delta_ll=value, standard_error=0.01, n_texts=3
        )
        return replace(found, recording=name, rows=rows, stamp="", words=words)

    said = answer([found, as_real("one", 0.1), as_real("two", 0.3)])
    mean = said.frame.set_index("recording").loc["mean of 2"]
    assert mean["delta_ll"] == pytest.approx(0.2) and mean["standard_error"] == pytest.approx(
        0.01 / np.sqrt(2)
    )
    assert mean["high"] - mean["delta_ll"] == pytest.approx(
        2.776 * 0.01 / np.sqrt(2), rel=1e-3
    )  # 2 + 2 degrees of freedom
    assert "one and two are of the same sentences: it is too narrow" in said.caption
    apart = answer([as_real("one", 0.1), as_real("two", 0.3, found.words.assign(text="word"))])
    two = as_real("two", 0.3)
    short = answer([as_real("one", 0.1), replace(two, rows=two.rows.assign(n_texts=2))])
    mean = short.frame.set_index("recording").loc["mean of 2"]  # two texts tell no spread
    assert mean["delta_ll"] == pytest.approx(0.2) and np.isnan([mean["low"], mean["high"]]).all()
    assert "It has no interval: one of them has fewer than 3 texts." in short.caption
    assert "takes recordings as independent. " not in apart.caption and apart.caption.endswith(
        "recordings as independent."
    )


def some_words(found, name, keep, **changes):
    """A model by another name that knows some of the words only."""
    each = {measure: table[keep(np.arange(len(table)))] for measure, table in found.each.items()}
    n = {measure: len(table) for measure, table in each.items()}
    rows = found.rows.assign(
        model=name, n_words=[n[measure] for measure in found.rows["measure"]], **changes
    )
    return replace(
        found, model=name, each=each, rows=rows, profile=found.profile.assign(model=name)
    )


def test_models_are_compared_over_the_words_that_all_of_them_know(found):
    measure = found.rows["measure"].iloc[0]
    whole, used = found.each[measure], found.each[measure].iloc[::2]
    assert found.rows["bits_per_word"].iloc[0] == pytest.approx(
        whole["bits"].mean()
    )  # of the words delta-LL is of
    assert found.rows["delta_ll"].iloc[0] == pytest.approx(whole["gain"].mean())
    assert len(whole) < len(found.words) and whole["bits"].mean() != pytest.approx(
        found.words["surprisal"].mean(), rel=1e-6
    )
    said = answer([found, some_words(found, "few", lambda i: i % 2 == 0, n_dropped=10)])
    rows = said.frame.set_index("model")
    assert rows["n_words"].tolist() == [len(used)] * 2 and rows["n_words_alone"].tolist() == [
        len(whole),
        len(used),
    ]
    for column, values in (("delta_ll", used["gain"]), ("bits_per_word", used["bits"])):
        assert rows[column].tolist() == pytest.approx([values.mean()] * 2)
    assert (
        rows.loc[MODEL, "delta_ll_alone"]
        == found.rows["delta_ll"].iloc[0]
        != rows.loc[MODEL, "delta_ll"]
    )
    assert rows.loc[MODEL, ["n_words", "n_dropped"]].sum() == len(found.words)
    few = f"{len(used):,} words (simulated-reading), those that all 2 models know (alone: {MODEL} {len(whole):,} and few"
    assert few in said.caption and "fitted to all the words that its model knows" in said.caption
    one = answer([found])
    assert one.frame["n_words"].iloc[0] == len(whole) and "those that all" not in one.caption
    apart = answer(
        [
            some_words(found, name, lambda i, odd=odd: i % 2 == odd)
            for odd, name in enumerate(("even", "odd"))
        ]
    )
    assert (
        "none is known to all models" in apart.caption
        and apart.frame["delta_ll"].iloc[0] == found.rows["delta_ll"].iloc[0]
    )


def test_fewer_trials_have_an_interval_over_people_and_texts(store):
    """The models share the words that both know: the interval is that of the same trials held out alone, not over texts only."""
    from analysis.reading.crossed import crossed_mean

    one = read(MODEL, "simulated-reading", form="mixed", store=store)
    (each,) = one.each.values()
    some = each[each.index % 3 > 0]
    other = replace(one, model="other", rows=one.rows.assign(model="other"), each={"people": some})
    row = answer([one, other]).frame.set_index("model").loc[MODEL]
    mean = crossed_mean(some["gain"], some["person"], some["story"])
    assert (row["low"], row["high"]) == pytest.approx((mean.low, mean.high))
    assert row["n_words"] == len(some) and row["delta_ll"] == pytest.approx(some["gain"].mean())


def test_a_mixed_model_has_the_verdict_of_its_own_recording(found):
    """Its measure is people, the doctor's is the mean over them."""
    rows = found.rows.assign(measure="people")
    mixed = replace(found, rows=rows, each={"people": found.each["mean over people"]})
    other = replace(mixed, recording="other", rows=rows.assign(recording="other"),
                    says={"mean over people": ("shifted", "These are other times.")})  # fmt: skip
    said = answer([mixed, other])
    assert found.says["mean over people"][1] in said.sentence and "other times" not in said.sentence
    assert (
        said.facts["says"][MODEL, "other", "people"][0] == "shifted"
        and "times of people (other)" in said.caption
    )


def test_verdicts_are_kept_for_each_model(found):
    second = some_words(found, "second", lambda i: i >= 0, delta_ll=1.0)
    second = replace(second, says={"mean over people": ("undecided", "Nobody knows.")})
    said = answer([found, second])
    assert "By the surprisal of second, nobody knows." in said.sentence
    told = f"aligned ({MODEL}), undecided (second)"
    assert f"do not agree on the alignment: {told}." in said.sentence
    assert verdicts(said.facts["says"], "simulated-reading", "mean over people") == told
    assert (
        verdicts(answer([found]).facts["says"], "simulated-reading", "mean over people")
        == "aligned"
    )
    assert f"simulated-reading: {told}." in paragraph(
        [found, second]
    ) and "all of them know" in paragraph([found, second])


def test_versions_of_a_recording_count_once_and_self_paced_profiles_are_pooled(found):
    def as_real(name):
        named = dict(recording=name)
        return replace(found, rows=found.rows.assign(simulated=False, **named), profile=found.profile.assign(**named), stamp="",
                       **named)  # fmt: skip

    said = answer([as_real("one"), as_real("one@old")])
    assert "mean of 2" not in said.frame["recording"].tolist() and said.facts["pooled"] == {}
    said = answer([as_real("one"), as_real("two"), as_real("one@old")])
    assert [name for name, _ in said.facts["pooled_of"]] == [
        "one",
        "two",
    ] and "mean of 2" in said.frame["recording"].tolist()
    assert said.facts["pooled"][MODEL].verdict == "aligned"


def test_pairs_with_a_brain_score_are_listed_and_the_rest_has_a_reason(found):
    frame = pd.concat(
        [found.rows.assign(model=f"m{i}", family=f"f{i}", delta_ll=0.1 * i) for i in range(5)]
    )
    scores = pd.DataFrame({"model": ["m0", "m1", "m2", "m3", "static", "m4"], "x": [0.1, 0.2, 0.3, 0.4, 0.5, np.nan],
                           "reason": [""] * 5 + ["not scored"]})  # fmt: skip
    said = against_scores(frame, scores, "brain")
    assert said.correlation.r == pytest.approx(1.0) and said.frame["model"].tolist() == [
        "m0",
        "m1",
        "m2",
        "m3",
    ]
    reasons = dict(zip(said.missing["model"], said.missing["reason"]))
    assert (
        reasons == {"m4": "not scored", "static": "no delta log-likelihood"}
        and "Pairs: m0, m1, m2 and m3" in said.caption
    )


def test_versions_of_a_recording(found):
    new = recording("simulated-reading")
    old = replace(
        new,
        responses=realign(new).responses.copy(data=np.roll(new.responses.values, -1, axis=0)),
        id="old",
    )
    diff = versions(old, new, found.words["surprisal"])
    assert diff.verdicts == {"old": "shifted", "simulated-reading": "aligned"}
    with pytest.raises(BrainLensError, match="measure"):
        versions(old, new, found.words["surprisal"], measure="n400")


def test_one_corpus_of_a_table(tmp_path):
    rows = [
        (c, 0, i, word, 200.0 + i)
        for c in ("a", "b")
        for i, word in enumerate(["one", "two", "three", "four"])
    ]
    path = tmp_path / "words.csv"
    pd.DataFrame(rows, columns=["corpus", "text_idx", "word_idx", "word", "mean_rt_ms"]).to_csv(
        path, index=False
    )
    eyes = corpus(f"{path}#b:eye_tracking")
    assert (
        eyes.kind == "eye_tracking"
        and eyes.n_stimuli == 4
        and corpus(f"{path}#a").kind == "reading_times"
    )
    assert corpus(eyes) is eyes
    with pytest.raises(BrainLensError, match="corpus"):
        corpus(f"{path}#c")


# ---- real data ---------------------------------------------------------------------------------------------------------
@pytest.mark.realdata
@pytest.mark.slow
def test_natural_stories_and_ucl(mirror, store):
    said = reading(
        [MODEL],
        ["natural-stories", "natural-stories@as-released", "ucl-spr", "ucl-eye"],
        store=store,
    )
    rows = said.frame.set_index(["recording", "measure"])
    assert rows.loc[("natural-stories", "mean_rt"), "low"] > 0
    assert rows.loc[("natural-stories", "mean_rt"), "verdict"] == "aligned"
    assert rows.loc[("natural-stories@as-released", "mean_rt"), "verdict"] == "shifted"
    assert (rows.loc["ucl-eye", "verdict"] == "exempt").all() and len(rows.loc["ucl-eye"]) == 4
    assert rows.loc[("ucl-spr", "self_paced"), "n_words"] > 1000


@pytest.mark.realdata
def test_a_table_of_six_corpora(own_data):
    counts = {"brown": 7188, "ucl_spr": 1931, "natstor": 10256, "meco:eye_tracking": 2108, "ucl:eye_tracking": 1931,
              "provo:eye_tracking": 2714}  # fmt: skip
    for name, count in counts.items():
        frame = word_frame(corpus(f"{own_data / 'reading_times.csv.gz'}#{name}"))
        assert len(frame.table) == count and frame.table["story"].nunique() > 5
        assert frame.kind == (
            "eye-tracking" if "eye" in name else "self-paced"
        ) and frame.measures == ("mean_rt_ms",)


@pytest.mark.realdata
def test_one_corpus_of_a_real_table(own_data, store):
    said = reading(
        [MODEL], [f"{own_data / 'reading_times.csv.gz'}#provo:eye_tracking"], store=store
    )
    assert said.frame["verdict"].tolist() == ["exempt"] and said.frame["n_words"].iloc[0] > 2000


def test_a_recording_without_word_columns(store):
    one = recording("simulated-reading")
    bare = replace(
        one,
        id="bare",
        stimuli=one.stimuli[["text", "story"]],
        responses=xr.DataArray(
            one.responses.values,
            dims=one.responses.dims,
            coords={k: one.responses[k] for k in ("stimulus", "target", "subject")},
        ),
    )
    assert read(MODEL, bare, store=store).rows["low"].iloc[0] > 0


def test_single_trials_are_told_as_what_they_are(found):
    rows = found.rows.assign(
        rule="log(rt) ~ surprisal + (1 | person); mixed model, new texts in 5 folds by story"
    )
    said = answer([replace(found, rows=rows, about={**found.about, "form": "mixed"})])
    assert "nats per trial" in said.sentence and said.axes["y_title"].endswith("(nats per trial)")
    assert (
        "log(rt) ~ surprisal + (1 | person)" in said.caption
        and "2 words before it" not in said.caption
    )
    assert (
        "nats per word" not in said.sentence + said.caption
        and "people and texts resampled" in said.caption
    )
    assert "nats per word" in answer([found]).sentence
