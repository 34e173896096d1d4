"""Scores of stories: nothing from noise, the planted layer from a signal, every block filtered by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import preset, score
from analysis.answers.layers import layers
from analysis.ceiling.synchrony import synchrony, synchrony_ceiling
from analysis.features.activations import Activations, _Held
from analysis.features.time import delayed, detrended, resample
from analysis.mapping import group_out
from analysis.mapping.decomposed import decompose
from analysis.mapping.splits import gap_of, make_folds
from analysis.models.base import Card
from analysis.progress import SILENT
from analysis.scoring import blocks as scoring_blocks
from analysis.scoring import folds, in_time
from analysis.scoring.in_time import cross_validate_in_time, followed, quiet
from analysis.scoring.words import without_r
from analysis.store.store import Store
from benchmarks.coverage_story import ceiling
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.presentation import Presentation, sample_table
from data.readers.simulated import hrf
from data.recording import Recording

STEP, SAMPLES = 2.0, 240
VOCABULARY = tuple("the a fox river ran home slowly over green hills and saw many birds".split())  # noqa: SIM905


def story(seed: int, signal=None, *, people=4, runs=1, noise=1.0, rho=0.5, words_late=0.0):
    """Words every 0.5 s or so, and people whose two regions follow ``signal`` (n_words, k) with AR(1) noise."""
    rng = np.random.default_rng(seed)
    parts, counts = [], {}
    for run in range(runs):
        n = int(SAMPLES * STEP / 0.6)
        onset = np.cumsum(rng.uniform(0.2, 1.0, n))
        onset = onset[onset < SAMPLES * STEP - 2]
        parts.append(
            pd.DataFrame(
                {
                    "run": f"run{run}",
                    "onset": onset,
                    "offset": onset + 0.2,
                    "text": rng.choice(VOCABULARY, len(onset)),
                }
            )
        )
        counts[f"run{run}"] = SAMPLES
    presentation = Presentation(pd.concat(parts, ignore_index=True), STEP)
    table = sample_table(presentation, counts)
    names, own = table["run"].to_numpy(), table["time"].to_numpy(float)
    driven = 0.0
    if signal is not None:
        values = signal(len(presentation.words), np.random.default_rng(seed + 1))
        heard = resample(values, presentation, names, own, "lanczos") @ np.ones(
            (values.shape[1], 1)
        )
        driven = np.concatenate(
            [np.convolve(heard[names == run, 0], hrf(STEP))[:SAMPLES] for run in counts]
        )
        driven = (driven - driven.mean()) / driven.std()
    columns, labels = [], []
    for person in range(people):
        for region in ("A", "B"):
            e = rng.standard_normal(len(table))
            for t in range(1, len(table)):
                e[t] = rho * e[t - 1] + np.sqrt(1 - rho**2) * e[t]
            columns.append(noise * e + driven)
            labels.append((f"s{person}", region))
    ids = table.index.to_numpy()
    responses = xr.DataArray(
        np.column_stack(columns),
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            "target": np.array([f"{p}.{r}" for p, r in labels], object),
            "subject": ("target", np.array([p for p, _ in labels], object)),
            "region": ("target", np.array([r for _, r in labels], object)),
        },
    )
    moved = presentation.shifted(words_late) if words_late else presentation
    return Recording(
        "told",
        responses,
        table,
        scored_unit="tr",
        context="run",
        group="run" if runs > 2 else None,
        presentation=moved,
        simulated=True,
    )


QUICK = preset("story").but(
    seeds=1,
    bootstrap=50,
    alphas=(1.0, 100.0, 10000.0),
    inner_folds=3,
    delays=(1, 2, 3),
    unique=False,
)


def signal(n, rng):
    return rng.standard_normal((n, 4))


def held_out_r(recording, features, protocol, parts):
    return float(np.mean(held_out_r_each(recording, features, protocol, parts)))


def held_out_r_each(recording, features, protocol, parts):
    """Mean over blocks of each target."""
    part = parts[0]
    fit, _ = cross_validate_in_time(
        features,
        part.folds,
        {"criterion": "kfold", "inner_folds": part.inner},
        None,
        recording,
        protocol,
        SILENT,
        targets=np.arange(recording.n_targets),
        predictions=False,
    )
    return np.nanmean(fit.r[0], axis=0)


@pytest.mark.parametrize("runs", [1, 4], ids=["one story", "runs"])
def test_noise_gives_no_score(runs):
    """Mean r over data sets lies inside three standard errors of 0, with and without the filter."""
    for highpass in (128.0, None):
        protocol, found = QUICK.but(highpass=highpass), []
        for seed in range(12):
            recording = story(100 + seed, runs=runs, rho=0.9, people=2)
            slow = np.cumsum(
                np.random.default_rng(seed).standard_normal((len(recording.stimuli), 6)), 0
            )
            parts = make_folds(recording, protocol)
            found.append(
                held_out_r(
                    recording, delayed(slow, recording.stimuli["run"], (1, 2)), protocol, parts
                )
            )
        assert np.mean(found) < 3 * np.std(found) / np.sqrt(len(found)) + 0.01


def test_filtering_the_whole_run_first_would_leak():
    """The reason for the rule: the same noise scores where the run is filtered before blocks are held out."""
    apart, leaky = [], []
    for seed in range(8):
        recording = story(300 + seed, rho=0.95, people=1)
        slow = np.cumsum(np.random.default_rng(seed).standard_normal((SAMPLES, 20)), 0)
        protocol = QUICK.but(highpass=40.0, standardize_run=False, gap="0")
        parts = make_folds(recording, protocol)
        apart.append(held_out_r(recording, slow, protocol, parts))
        rows = np.arange(SAMPLES)
        before = recording.responses.copy(
            data=quiet(recording.responses.values, rows, recording, protocol, responses=True)
        )
        filtered = Recording(
            "f", before, recording.stimuli, scored_unit="tr", presentation=recording.presentation
        )
        x = quiet(slow, rows, recording, protocol)
        leaky.append(held_out_r(filtered, x, protocol.but(highpass=None), parts))
    assert np.mean(apart) < 0.06 < np.mean(leaky)


def test_the_planted_layer_is_found(tmp_path):
    planted = {}

    def layer(n, rng):
        planted["x"] = signal(n, rng)
        return planted["x"]

    recording = story(7, layer, noise=1.0)
    rng = np.random.default_rng(5)
    n = len(recording.presentation.words)
    layers = {0: rng.standard_normal((n, 4)), 1: planted["x"], 2: rng.standard_normal((n, 4))}
    source = Activations(
        Card(id="told-model", cls="activations", source="folder"),
        id="told-model",
        fingerprint="",
        tokenizer_hash="",
        widths=[4, 4, 4],
        layers=[0, 1, 2],
        key="told",
        fresh=False,
        source=_Held(layers),
    )
    scored = score(source, recording, QUICK, store=Store(tmp_path))
    table = scored.table().set_index("layer")["r"]
    assert table.idxmax() == 1 and table[1] > 0.4 > table[[0, 2]].max() + 0.1
    assert scored.ceiling.kind == "synchrony"


def test_features_are_those_of_a_design_built_by_hand():
    recording = story(3, runs=2)
    values = np.random.default_rng(0).standard_normal((len(recording.presentation.words), 2))
    found = followed(values, recording, QUICK)
    table = recording.stimuli
    plain = resample(
        values, recording.presentation, table["run"].to_numpy(), table["time"].to_numpy(), "lanczos"
    )
    by_hand = np.zeros((len(table), 6))
    for row in range(len(table)):
        for number, delay in enumerate((1, 2, 3)):
            if row - delay >= 0 and table["run"].iloc[row - delay] == table["run"].iloc[row]:
                by_hand[row, 2 * number : 2 * number + 2] = plain[row - delay]
    np.testing.assert_allclose(found, by_hand)


def test_the_gap_reaches_as_far_as_features_and_signal():
    recording = story(3)
    assert gap_of(recording, preset("story")) == 12  # 8 s of delays, 6 s of kernel, 10 s more: 24 s
    (part,) = make_folds(recording, preset("story"))
    for train, test in part.folds:
        assert np.abs(train[:, None] - test).min() == 13
    with pytest.raises(BrainLensError, match="gap"):
        preset("story").but(gap="far")


def test_trimmed_samples_are_in_no_fold():
    recording = story(3, runs=2)
    (part,) = make_folds(recording, QUICK.but(trim=(5, 3)))
    used = np.unique(np.concatenate([np.concatenate(fold) for fold in part.folds]))
    left_out = np.r_[0:5, SAMPLES - 3 : SAMPLES + 5, 2 * SAMPLES - 3 : 2 * SAMPLES]
    assert not set(used) & set(left_out) and len(part.rows) == 2 * SAMPLES - 16


def test_rows_that_are_neither_words_nor_samples_are_refused():
    with pytest.raises(BrainLensError, match="17 rows"):
        followed(np.ones((17, 2)), story(3), QUICK)


@pytest.mark.parametrize(("people", "shared"), [(6, 0.6), (9, 0.4)])
def test_the_ceiling_of_synchrony_holds_what_people_share_of_the_story(people, shared):
    """30 data sets at 95 %: fewer than 25 happens 3 times in 1,000. Five others have halves of two, as eight have of four."""
    found = np.array([ceiling(seed, people=people, shared=shared)["ceiling"] for seed in range(30)])
    distance, low, high = found.T
    assert ((low <= 0) & (high >= 0)).sum() >= 25
    assert (
        abs(distance.mean()) < 0.015
    )  # it was .02 too high where halves of the others leave one out


def test_the_lower_bound_of_synchrony_is_below_it():
    found = synchrony_ceiling(story(500, signal, people=8, rho=0.0), QUICK.but(highpass=None))
    assert found.lower_bound.value < found.value and found.low < found.value < found.high


def test_who_missed_a_run_is_scored_in_the_others_and_nowhere_is_silence_taken_for_data():
    made = story(7, signal, people=3, runs=5, rho=0.0)
    values, run = made.responses.values.copy(), made.stimuli["run"].to_numpy()
    values[run == "run2", 0] = (
        np.nan
    )  # both of the first person's targets, and one sample of the last one's
    values[run == "run2", 1] = np.nan
    values[3, 5] = np.nan
    holed = dataclasses.replace(made, responses=made.responses.copy(data=values))
    features = followed(np.ones((len(made.timed.words), 1)), made, QUICK)
    parts = make_folds(holed, QUICK)
    part = parts[0]
    fit, held = cross_validate_in_time(
        features, part.folds, {"criterion": "kfold", "inner_folds": part.inner}, None, holed, QUICK,
        SILENT, targets=np.arange(6), predictions=False,
    )  # fmt: skip
    lacking = [set(run[test]) == {"run2"} for _, test in part.folds]
    assert sum(lacking) == 1
    assert np.isnan(fit.r[0][lacking][:, :2]).all() and np.isfinite(fit.r[0][:, 2:]).all()
    assert np.isfinite(fit.r[0][~np.array(lacking)]).all() and not fit.constant.any()
    assert (
        fit.r2[0][~np.array(lacking)].min() > -1
    )  # zeros in place of what is missing: R2 of -2,000,000
    np.testing.assert_array_equal(np.isnan(held), np.isnan(values))


def test_synchrony_of_who_missed_a_run_is_taken_over_the_runs_that_are_there():
    made = story(8, signal, people=5, runs=3, noise=1.0, rho=0.0)
    values, run = made.responses.values.copy(), made.stimuli["run"].to_numpy()
    values[run == "run2", :2] = np.nan
    holed = dataclasses.replace(made, responses=made.responses.copy(data=values))
    z = detrended(values, np.arange(len(run)), run, STEP, QUICK.highpass, scale=True)[
        :, ::2
    ]  # region A
    there = run != "run2"
    by_hand = np.corrcoef(z[there, 0], z[there, 1:].sum(axis=1))[0, 1]
    found = synchrony(holed, QUICK)
    assert found[0] == pytest.approx(by_hand, abs=1e-9) and np.isfinite(found).all()
    assert synchrony_ceiling(holed, QUICK).value > 0.5


def test_a_person_without_a_score_is_named_with_the_reason():
    """Two runs leave one to train on: there are no inner folds to choose on, which generalised cross-validation does not need."""
    whole = recording("simulated-story")
    three = whole.select(stimuli=whole.stimuli["run"].isin(["run1", "run2", "run3"]).to_numpy())
    values = three.responses.values.copy()
    away = np.ix_((three.stimuli["run"] == "run3").to_numpy(), three.subjects == "s1")
    values[away] = np.nan
    three = dataclasses.replace(
        three, id="story-of-three", responses=three.responses.copy(data=values)
    )
    quick = preset("story").but(
        bootstrap=20, unique=False, ceiling="none", controls=(), shuffled_twin=False
    )
    found = score("random-8", three, quick)
    (line,) = [line for line in found.warnings() if line.startswith("No r for")]
    assert "6 of 36 targets, all of s1:" in line and "one with criterion=gcv" in line
    assert line in layers([found]).caption
    other = score("random-8", three, quick.but(criterion="gcv", layer="last"))
    assert not without_r(other) and np.isfinite(other.value)


@pytest.mark.parametrize("criterion", ["logo", "gcv", "kfold"])
@pytest.mark.parametrize("holed", [False, True])
def test_blocks_of_targets_score_as_all_at_once(criterion, holed, monkeypatch):
    made = story(3, signal, people=5, runs=4)
    if holed:
        values = made.responses.values.copy()
        values[made.stimuli["run"].to_numpy() == "run1", 3:5] = np.nan
        made = dataclasses.replace(made, responses=made.responses.copy(data=values))
    protocol = QUICK.but(criterion=criterion)
    features = followed(signal(len(made.timed.words), np.random.default_rng(4)), made, protocol)
    (part,) = make_folds(made, protocol)

    def fit():
        return folds.fit_parts(
            features, made, protocol, [part], SILENT, draws=True, choosing=True
        )  # fmt: skip

    whole = fit()
    decomposed, solved, inverses = [], [], group_out.GroupPenalties._inverted
    monkeypatch.setattr(scoring_blocks, "STREAMED", 3 * len(features))
    monkeypatch.setattr(in_time, "SPREAD", 1)
    monkeypatch.setattr(group_out, "SPREAD", 1)
    monkeypatch.setattr(
        in_time, "decompose", lambda *a, **k: decomposed.append(1) or decompose(*a, **k)
    )
    monkeypatch.setattr(
        group_out.GroupPenalties,
        "_inverted",
        lambda self, left: solved.append(1) or inverses(self, left),
    )
    blocks = fit()
    if (
        not holed
    ):  # what depends on features and groups alone is worked out once for all blocks of targets
        assert len(decomposed) == (criterion == "logo")
        assert len(solved) == (len(part.folds) if criterion == "logo" else 0)
    assert set(blocks) == set(whole) and blocks.sizes == whole.sizes
    for name in whole:
        np.testing.assert_allclose(blocks[name], whole[name], atol=1e-6, err_msg=name)
    assert blocks.attrs == whole.attrs


def test_motion_of_a_study_is_taken_out_of_its_own_person(tmp_path):
    """fMRIPrep's six columns, as ``motion`` of the protocol: what follows them is gone, in whom it was."""
    rng, n = np.random.default_rng(0), 120
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    (tmp_path / "words.csv").write_text(
        "word,onset,offset\n" + "".join(f"w{i % 7},{i},{i + 0.5}\n" for i in range(2 * n))
    )
    lines = ['id = "fox"', "interval = 2.0", "[words]", 'run1 = "words.csv"']
    moved = {}
    for person in ("a", "b"):
        moved[person] = rng.standard_normal((n, 6))
        pd.DataFrame(moved[person], columns=names).to_csv(
            tmp_path / f"{person}.tsv", sep="\t", index=False
        )
        signal = rng.standard_normal((n, 2)) + 20 * moved["a"][:, :1] * (person == "a")
        np.save(tmp_path / f"{person}.npy", signal)
        lines += [
            f"[people.{person}]",
            f'run1 = "{person}.npy"',
            f'confounds = {{ run1 = "{person}.tsv" }}',
        ]
    (tmp_path / "story.toml").write_text("\n".join(lines))
    study, protocol = recording(tmp_path), preset("story").but(highpass=None)
    left = quiet(study.responses.values, np.arange(n), study, protocol, responses=True)
    assert abs(np.corrcoef(left[:, 0], moved["a"][:, 0])[0, 1]) < 1e-3
    kept = quiet(
        study.responses.values, np.arange(n), study, protocol.but(nuisance=()), responses=True
    )
    assert np.corrcoef(kept[:, 0], moved["a"][:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("criterion", ["logo", "gcv", "kfold", "loo"])
@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
def test_all_folds_in_one_call_are_the_folds_one_by_one(criterion, single, monkeypatch):
    """Where whole runs are held out (and filtered once) folds go through the solver together: the same numbers to 1e-6."""
    made = story(5, signal, people=4, runs=5)
    if single:
        values = made.responses.astype(np.float32)
        made = dataclasses.replace(made, responses=values)
    protocol = QUICK.but(criterion=criterion)
    features = followed(signal(len(made.timed.words), np.random.default_rng(8)), made, protocol)
    (part,) = make_folds(made, protocol)

    def fit():
        return folds.fit_parts(features, made, protocol, [part], SILENT, draws=True, choosing=True)

    together, calls, real = fit(), [], in_time.cross_validate_under
    monkeypatch.setattr(in_time, "_apart", lambda folds: False)
    monkeypatch.setattr(
        in_time, "cross_validate_under", lambda *a, **k: calls.append(1) or real(*a, **k)
    )
    apart = fit()
    assert len(calls) == len(part.folds) > 1 and together.r.notnull().all()
    for name in apart:
        np.testing.assert_allclose(together[name], apart[name], atol=1e-6, err_msg=name)
