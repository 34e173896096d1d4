"""The verb: planted truths on the embedded recording, the store, cancel, and what goes wrong in words."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.ceiling.kinds import ceiling
from analysis.features.activations import extract
from analysis.mapping.splits import make_folds
from analysis.models import load
from analysis.progress import Cancelled, Report
from analysis.protocol import preset
from analysis.scoring.case import Case
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.catalog.catalog import recording as catalogue
from data.errors import BrainLensError
from data.recording import Recording

QUICK = preset("defended").but(bootstrap=100, unique=False, criterion="gcv", seeds=1)
PLANTED = {"bootstrap": 200, "seeds": 1}
"""What the score of the planted model changes in the default protocol."""


@pytest.fixture(scope="module")
def simulated() -> Recording:
    return catalogue("simulated")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def planted(simulated, store):
    """The model in which the truth was planted, scored under the default protocol."""
    return score(
        simulated.truth["model"],
        simulated,
        preset("defended").but(**PLANTED),
        store=store,
    )


# ---- planted truths -------------------------------------------------------------------------------------------------
def test_the_planted_layer_wins_and_is_chosen_inside_the_training_folds(planted, simulated):
    assert planted.best_layer == planted.chosen_layer == simulated.truth["layer"]
    table = planted.table().set_index("layer")
    others = table.drop(index=planted.chosen_layer)
    assert table.loc[planted.chosen_layer, "r_low"] > others["r"].max()


def test_pure_noise_targets_score_zero_within_their_interval(planted):
    frame = planted.per_target()
    noise = frame[~frame["planted"].astype(bool)]["r"]
    assert len(noise) == 24
    assert abs(noise.mean()) < 2.5 * noise.std() / np.sqrt(len(noise))
    assert frame[frame["planted"].astype(bool)]["r"].min() > 0.3


def test_the_split_half_ceiling_covers_the_planted_one(simulated):
    """Each target is measured in all six people; the ceiling of their average is planted, a little higher for some targets."""
    covered = []
    for pair, single in enumerate(simulated.truth["ceilings"], 1):
        planted = np.sqrt(
            6 * single**2 / (1 + 5 * single**2)
        )  # Spearman-Brown: of one person, then of the average of six
        one_each = simulated.select(targets=simulated.responses["pair"].values == pair)
        found = ceiling(one_each, preset("defended"), kind="split-half")
        covered.append(found.low <= planted <= found.high)
    assert sum(covered) >= 13  # of 16 95 % intervals; 12 or fewer would happen once in 150 times


def test_the_model_beats_controls_and_the_joint_fit_says_by_how_much(planted):
    controls = planted.controls.set_index("control")["r"]
    assert planted.value > controls["position+length"] + 0.1 > controls["random-embedding"]
    head = planted.headline
    assert head["unique_r2"] == pytest.approx(head["joint_r2"] - head["controls_r2"])
    assert head["unique_r2"] > 0.1 and head["joint_r2"] > head["model_r2"] - 0.02


def test_the_score_says_what_read_and_in_which_numbers(planted):
    assert planted.provenance["device"] == "cpu"
    assert planted.provenance["model"]["dtype"] == planted.protocol.dtype == "float32"


def test_the_score_says_that_the_data_are_simulated(planted):
    assert "simulated" in planted.stamp
    assert any("simulated" in line for line in planted.warnings())
    assert planted.provenance["recording"]["simulated"] is True
    json.dumps(planted.provenance)


@pytest.mark.parametrize("criterion", ["kfold", "logo", "gcv"])
def test_the_held_out_rows_have_no_part_in_choosing_alpha_and_layer(simulated, tmp_path, criterion):
    protocol = QUICK.but(criterion=criterion, controls=(), shuffled_twin=False, bootstrap=10)
    few = simulated.select(targets=np.arange(8))
    _, test = make_folds(few, protocol)[0].folds[0]
    other = few.responses.copy()
    other[test] = np.random.default_rng(0).normal(size=(len(test), 8)) * 50
    one = score("zoo-causal-400k", few, protocol, store=Store(tmp_path / "one")).dataset
    changed = Recording(**{**vars(few), "responses": other})
    two = score("zoo-causal-400k", changed, protocol, store=Store(tmp_path / "two")).dataset
    np.testing.assert_allclose(two.inner.values[:, 0], one.inner.values[:, 0], rtol=1e-10)
    np.testing.assert_array_equal(two.alpha.values[:, 0], one.alpha.values[:, 0])
    assert not np.allclose(
        two.inner.values[:, 1], one.inner.values[:, 1]
    )  # these rows do train the other folds
    assert not np.allclose(two.r.values[:, 0], one.r.values[:, 0])


# ---- against scikit-learn ---------------------------------------------------------------------------------------------
def test_r_equals_a_plain_scikit_learn_loop(simulated, store):
    protocol = preset("defended").but(
        criterion="loo", bootstrap=10, unique=False, seeds=1, shuffled_twin=False, controls=()
    )
    few = simulated.select(targets=np.arange(6))
    found = score("zoo-causal-400k", few, protocol, layers=[2], store=store)
    features = (
        extract(load("zoo-causal-400k"), few, protocol, [2], store=store).layer(2).astype(float)
    )
    part = make_folds(few, protocol)[0]
    for fold, (train, test) in enumerate(part.folds):
        peer = make_pipeline(StandardScaler(), RidgeCV(protocol.alphas, alpha_per_target=True))
        predicted = peer.fit(features[train], few.responses.values[train]).predict(features[test])
        expected = [
            np.corrcoef(a, b)[0, 1]
            for a, b in zip(predicted.T, few.responses.values[test].T, strict=True)
        ]
        np.testing.assert_allclose(found.dataset.r.sel(layer=2).values[fold], expected, atol=5e-6)


# ---- the store --------------------------------------------------------------------------------------------------------
def test_a_second_request_loads_no_model_and_gives_the_same(planted, simulated, store, monkeypatch):
    from analysis.models.files import weights

    monkeypatch.setattr(
        weights, "load_network", lambda *a, **k: pytest.fail("the model was loaded again")
    )
    again = score(
        simulated.truth["model"],
        simulated,
        preset("defended").but(**PLANTED),
        store=store,
    )
    assert again.cached and not planted.cached
    pd.testing.assert_frame_equal(again.table(), planted.table())
    xr.testing.assert_identical(again.dataset, planted.dataset)
    assert again.provenance == planted.provenance


def test_a_stored_score_needs_no_torch(planted, simulated, store):
    code = (
        "import sys; from analysis import score; from analysis.protocol import preset; from analysis.store.store import Store\n"
        f"found = score({simulated.truth['model']!r}, 'simulated', preset('defended').but(**{PLANTED}), "
        "store=Store(sys.argv[1]))\n"
        "print(found.cached, found.chosen_layer, [m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n")[-2] == f"True {planted.chosen_layer} []"


def test_layers_come_in_bisection_order_and_a_cancelled_score_keeps_them(simulated, tmp_path):
    store, seen = Store(tmp_path), []

    def stop_after_two(partial):
        seen.append(partial.layers)
        if len(seen) == 2:
            report.cancel()

    report = Report(on_partial=stop_after_two)
    with pytest.raises(Cancelled):
        score("zoo-causal-400k", simulated, QUICK, store=store, report=report)
    assert seen == [[0], [0, 3]]
    done = []
    report = Report(on_partial=lambda partial: done.append(partial.layers))
    finished = score("zoo-causal-400k", simulated, QUICK, store=store, report=report)
    assert finished.complete and done[:2] == [[0, 1, 3], [0, 1, 2, 3]]


def test_another_protocol_never_reads_the_first_ones_scores(simulated, store):
    one = score("zoo-causal-400k", simulated, QUICK, layers=[1], store=store)
    two = score("zoo-causal-400k", simulated, QUICK.but(seed=5), layers=[1], store=store)
    assert not two.cached and one.value != two.value


# ---- presets and special recordings -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["schrimpf2021", "brainscore2026"])
def test_the_replicas_run(simulated, store, name):
    protocol = preset(name).but(bootstrap=50, ceiling="leave-one-out")
    found = score("zoo-causal-400k", simulated, protocol, layers=[0, 2], store=store)
    assert found.best_layer == 2 and "r_shuffled" not in found.table()
    assert found.protocol.name == name + "*"


def test_a_constant_layer_has_no_r_and_says_so(simulated, store):
    same = simulated.stimuli.assign(
        text=[text.rstrip(".!?") + "." for text in simulated.stimuli["text"]]
    )
    texts = Recording(**{**vars(simulated), "id": "stops", "stimuli": same})
    row = score("zoo-causal-400k", texts, QUICK, layers=[0], store=store).table().iloc[0]
    assert (
        np.isnan(row["r"]) and np.isnan(row["r_low"]) and row["note"].startswith("constant feature")
    )


def test_an_averaged_recording_has_no_ceiling(simulated, store):
    mean = (
        simulated.responses.mean("target")
        .expand_dims(target=["mean"])
        .transpose("stimulus", "target")
    )
    averaged = Recording(
        "averaged", mean, simulated.stimuli, context="passage", group="topic", averaged=True
    )
    found = score("zoo-causal-400k", averaged, QUICK, layers=[2], store=store)
    row = found.table().iloc[0]
    assert np.isnan(row["ceiling"]) and np.isnan(row["normalised"]) and row["n_subjects"] == 0
    assert any("no ceiling" in line for line in found.warnings())


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda r, s: score("zoo-causal-40k", r, QUICK, store=s), "zoo-causal-400k"),
        (lambda r, s: score("zoo-causal-400k", "simulatd", QUICK, store=s), "simulated"),
        (lambda r, s: score("zoo-causal-400k", r, "defnded", store=s), "did you mean 'defended'"),
        (lambda r, s: score("zoo-causal-400k", r, QUICK, layers=[9], store=s), "0 to 3"),
        (
            lambda r, s: score("zoo-causal-400k", r, QUICK.but(context="chapter"), store=s),
            "grouping of simulated",
        ),
        (
            lambda r, s: score("zoo-causal-400k", r.select(stimuli=np.arange(12)), QUICK, store=s),
            "two or more",
        ),
    ],
)
def test_mistakes_are_named(simulated, store, call, says):
    with pytest.raises(BrainLensError) as error:
        call(simulated, store)
    assert says in str(error.value)


def test_saved_tables_read_back(planted, tmp_path):
    read = pd.read_csv(planted.save(tmp_path / "s.csv"))
    np.testing.assert_allclose(read["r"], planted.table()["r"])
    with xr.open_dataset(planted.save(tmp_path / "s.nc")) as dataset:
        assert json.loads(dataset.attrs["provenance"])["model"]["id"] == planted.model
    with pytest.raises(BrainLensError, match=r"\.csv"):
        planted.save(tmp_path / "s.docx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.csv", "s.nc"]


# ---- the order of the work --------------------------------------------------------------------------------------------
def test_layers_come_before_what_stands_beside_them_and_many_targets_have_a_preview(
    simulated, tmp_path, monkeypatch
):
    monkeypatch.setattr("analysis.scoring.stages.PREVIEW_TARGETS", 7)
    protocol = QUICK.but(seeds=1, controls=("length",), shuffled_twin=True, bootstrap=10)
    seen = []

    def partial(found):
        notes = [str(note) for note in found.dataset.note.values]
        seen.append(
            (
                sum(note.startswith("preview: 7 of") for note in notes),
                len(notes),
                len(found.controls),
                int(
                    found.dataset.get("r_shuffled", xr.DataArray(np.nan))
                    .notnull()
                    .any("target")
                    .any("twin_fold")
                    .sum()
                )
                if "r_shuffled" in found.dataset
                else 0,
                found.ceiling.kind,
            )
        )
        assert not found.complete and found.table()["r"].notna().all()

    store = Store(tmp_path)
    found = score(
        "zoo-causal-400k", simulated, protocol, store=store, report=Report(on_partial=partial)
    )
    layers = len(found.layers)
    previews, shown, controls, twins, kinds = (list(one) for one in zip(*seen, strict=True))
    assert shown[:layers] == previews[:layers] == list(range(1, layers + 1))
    assert previews[layers : 2 * layers] == list(range(layers - 1, -1, -1))
    assert controls[: 2 * layers] == [0] * 2 * layers and controls[2 * layers] == 1
    assert twins[: 2 * layers + 1] == [0] * (2 * layers + 1) and twins[-1] == layers
    assert kinds[-2] == "none" != kinds[-1]
    assert not any(str(note).startswith("preview") for note in found.dataset.note.values)
    assert "preview" not in " ".join(found.warnings())
    again = score("zoo-causal-400k", simulated, protocol, store=store)
    assert again.cached and again.table().equals(found.table())


def test_a_preview_is_the_score_of_some_targets_and_the_layers_do_not_depend_on_it(
    simulated, tmp_path, monkeypatch
):
    protocol = QUICK.but(
        seeds=1, criterion="logo", controls=(), shuffled_twin=False, bootstrap=10, ceiling="none"
    )
    plain = score("zoo-causal-200k", simulated, protocol, store=Store(tmp_path / "one"))
    monkeypatch.setattr("analysis.scoring.stages.PREVIEW_TARGETS", 7)
    previews = []
    other = score(
        "zoo-causal-200k",
        simulated,
        protocol,
        store=Store(tmp_path / "two"),
        report=Report(on_partial=previews.append),
    )
    xr.testing.assert_equal(plain.dataset, other.dataset)
    coarse = protocol.but(alphas=protocol.alphas[::2])
    coarse = score("zoo-causal-200k", simulated, coarse, store=Store(tmp_path / "one"), layers=[0])
    first = previews[0].dataset.r.isel(layer=0)
    assert int(first.notnull().any("fold").sum()) == 7
    np.testing.assert_allclose(
        first.values[~np.isnan(first.values)],
        coarse.dataset.r.isel(layer=0).values[~np.isnan(first.values)],
        atol=1e-6,
    )


def test_a_random_embedding_is_drawn_anew_under_each_seed_even_where_the_folds_are_the_same(
    simulated, store
):
    protocol = QUICK.but(
        split="leave-one-group-out", seeds=3, shuffled_twin=False, bootstrap=10, ceiling="none",
        controls=("length", "random-embedding"),
    )  # fmt: skip
    few = simulated.select(targets=np.arange(4))
    found = score("random-8", few, protocol, store=store).controls.set_index("control")
    assert found.loc["length", "r_seed_low"] == found.loc["length", "r_seed_high"]
    drawn = found.loc["random-embedding"]
    assert drawn["r_seed_low"] < drawn["r"] < drawn["r_seed_high"]


def test_a_control_of_another_kind_of_recording_is_refused_before_a_model_reads():
    with pytest.raises(
        BrainLensError, match=r"no control word-length .* Choose the protocol epochs"
    ):
        Case.of("zoo-glove-64d", "simulated-ecog", "story")
    with pytest.raises(BrainLensError, match=r"no control position .* Choose the protocol story"):
        Case.of("zoo-glove-64d", "simulated-story", preset("story").but(controls=("position",)))
    with pytest.raises(BrainLensError, match="Unknown control 'lenght'"):
        Case.of("zoo-glove-64d", "simulated", preset("defended").but(controls=("lenght",)))
