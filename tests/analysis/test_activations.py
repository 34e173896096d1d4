"""Reading through the store: what is in the key, what a killed run leaves behind, what comes from files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.features.activations import activation_key, extract, from_file
from analysis.models.base import Card, Model
from analysis.models.loaded import Loaded
from analysis.models.transformer import TransformerModel
from analysis.progress import Report
from analysis.protocol import preset
from analysis.store.store import Store
from data.errors import BrainLensError, Cancelled
from data.recording import Recording

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
import tiny_models  # noqa: E402

DEFENDED = preset("defended")
SENTENCES = [
    line.strip() for line in tiny_models.CORPUS.replace("\n", " ").split(".") if line.strip()
]


def recording(copies: int = 4) -> Recording:
    texts = [f"{sentence}." for sentence in SENTENCES * copies]
    number = range(len(texts))
    columns = {
        "text": texts,
        "passage": [f"p{i // 3}" for i in number],
        "half": [i % 2 for i in number],
    }
    table = pd.DataFrame(columns, index=[f"s{i}" for i in number])
    responses = xr.DataArray(
        np.arange(float(len(texts)))[:, None],
        dims=("stimulus", "target"),
        coords={"stimulus": table.index, "target": ["t"]},
    )
    return Recording("toy", responses, table, context="passage", roles={"paper_context": "half"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.make("gpt2", tmp_path_factory.mktemp("models") / "gpt2", positions=128)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_models.make("llama", tmp_path_factory.mktemp("models") / "llama", positions=128)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache", readers=[])


def model_of(folder, **options):
    return TransformerModel(tiny_models.card(folder.name, folder), folder, **options)


# ---- served from the store ----------------------------------------------------------------------------------------------
def test_a_second_request_computes_nothing_and_loads_nothing(folder, store, monkeypatch):
    first = extract(model_of(folder), recording(), DEFENDED, store=store)
    assert first.fresh and first.layers == [0, 1, 2, 3] and first.n_layers == 4
    monkeypatch.setattr(Loaded, "_load", lambda *a, **k: pytest.fail("the weights were loaded"))
    second = extract(model_of(folder), recording(), DEFENDED, store=store)
    assert not second.fresh and second.key == first.key
    for layer in first.layers:
        assert second.layer(layer).dtype == np.float32
        np.testing.assert_array_equal(first.layer(layer), second.layer(layer))


def test_rows_are_in_the_recordings_order(folder, store):
    toy = recording(1)
    mean = DEFENDED.but(
        pooling="mean"
    )  # "last" of a stimulus that is read alone leaves its full stop out
    activations = extract(model_of(folder), toy, mean.but(context="half"), store=store)
    alone = extract(model_of(folder), toy, mean.but(context="none"), store=store)
    np.testing.assert_allclose(
        activations.layer(2)[:2], alone.layer(2)[:2], atol=2e-5
    )  # each begins its group
    assert np.abs(activations.layer(2)[2:] - alone.layer(2)[2:]).max(axis=1).min() > 1e-3


def test_only_missing_layers_are_read(folder, store, monkeypatch):
    extract(model_of(folder), recording(), DEFENDED, [1], store=store)
    asked = []
    original = TransformerModel.read
    monkeypatch.setattr(
        TransformerModel,
        "read",
        lambda self, p, layers, **k: asked.append(layers) or original(self, p, layers, **k),
    )
    assert extract(model_of(folder), recording(), DEFENDED, [1, 2], store=store).fresh
    assert not extract(model_of(folder), recording(), DEFENDED, [2], store=store).fresh
    assert asked == [[2]]


def test_the_paper_name_of_a_layer(folder, store):
    card = tiny_models.card("gpt2", folder, layer_names={"drop": 0, "encoder.h.1": 2})
    activations = extract(
        TransformerModel(card, folder), recording(1), DEFENDED, ["encoder.h.1"], store=store
    )
    assert activations.layers == [2] and activations.layer("encoder.h.1") is not None
    with pytest.raises(BrainLensError, match="Unknown layer of gpt2 1"):
        activations.layer(1)
    with pytest.raises(BrainLensError, match=r"did you mean 'encoder\.h\.1'"):
        extract(
            TransformerModel(card, folder), recording(1), DEFENDED, ["encoder.h.12"], store=store
        )


def test_the_gram_matrix_is_centred_and_kept(folder, store):
    activations = extract(model_of(folder), recording(1), DEFENDED, store=store)
    values = activations.layer(2).astype(float)
    values -= values.mean(axis=0)
    for _ in range(2):
        assert activations.gram(2).dtype == np.float64
        np.testing.assert_allclose(activations.gram(2), values @ values.T, atol=1e-9)
    assert list((store.root / "activations" / activations.key / "grams").glob("2.npy"))


def test_a_constant_layer_is_a_feature_with_a_note(llama, store):
    """Every sentence ends with the same word, and llama's embedding knows no position."""
    toy = recording(1)
    toy.stimuli["text"] = [text[:-1] + " on" for text in toy.stimuli["text"]]
    activations = extract(model_of(llama), toy, DEFENDED, store=store)
    assert "constant feature" in activations.note(0)
    assert np.isfinite(activations.layer(0)).all()
    assert activations.note(1) == ""


# ---- the key ------------------------------------------------------------------------------------------------------------
class Reader(Model):
    """A model whose identity can be set part by part."""

    def __init__(self, cls="bidirectional", id="reader", fingerprint="f", tokenizer="t", bos=""):
        self.id, self.card = id, Card(id=id, cls=cls, bos=bos)
        self._parts = fingerprint, tokenizer

    fingerprint = property(lambda self: self._parts[0])
    tokenizer_hash = property(lambda self: self._parts[1])
    widths = property(lambda self: (3, 3))

    def reading_options(self, protocol):
        return {"window": protocol.window} if protocol.window else {}


CHANGES = {
    "model id": (dict(id="other"), {}),
    "weights": (dict(fingerprint="g"), {}),
    "variant and seed": (dict(id="reader@untrained:init:1", fingerprint="f@untrained:init:1"), {}),
    "tokenizer": (dict(tokenizer="u"), {}),
    "start token": (dict(bos="<s>"), {}),
    "context": ({}, dict(context="none")),
    "context in words": ({}, dict(context="words:3")),
    "pooling": ({}, dict(pooling="mean")),
    "attention": ({}, dict(attention="whole")),
    "dtype": ({}, dict(dtype="bfloat16")),
    "window": ({}, dict(window=64)),
}


@pytest.mark.parametrize("part", CHANGES)
def test_every_part_of_the_key_counts(part):
    model, protocol = CHANGES[part]
    base = activation_key(Reader(), recording(), DEFENDED)
    assert activation_key(Reader(), recording(), DEFENDED) == base
    assert activation_key(Reader(**model), recording(), DEFENDED.but(**protocol)) != base


def test_texts_order_and_code_version_count(monkeypatch):
    base = activation_key(Reader(), recording(), DEFENDED)
    turned = recording().select(stimuli=np.arange(recording().n_stimuli)[::-1].copy())
    assert activation_key(Reader(), turned, DEFENDED) != base
    toy = recording()
    toy.stimuli.iloc[0, 0] = "Another sentence."
    assert activation_key(Reader(), toy, DEFENDED) != base
    monkeypatch.setattr("analysis.features.activations.CODE_VERSION", 99)
    assert activation_key(Reader(), recording(), DEFENDED) != base


def test_what_does_not_change_the_reading_is_not_in_the_key():
    base = activation_key(Reader(), recording(), DEFENDED)
    assert (
        activation_key(
            Reader(),
            recording(),
            DEFENDED.but(folds=3, method="ols", seed=5, pooling="last", context="passage"),
        )
        == base
    )
    causal = activation_key(Reader(cls="causal"), recording(), DEFENDED)
    assert (
        activation_key(Reader(cls="causal"), recording(), DEFENDED.but(attention="whole")) == causal
    )


def test_a_variant_never_reads_the_trained_models_cache(folder, store):
    trained = extract(model_of(folder), recording(1), DEFENDED, store=store)
    seeds = [
        extract(
            model_of(folder, variant=f"untrained:init:{seed}"), recording(1), DEFENDED, store=store
        )
        for seed in (0, 1, 0)
    ]
    assert [s.fresh for s in seeds] == [True, True, False]
    assert len({trained.key, seeds[0].key, seeds[1].key}) == 3
    assert (
        np.abs(trained.layer(3) - seeds[0].layer(3)).max()
        > 1e-2
        < np.abs(seeds[1].layer(3) - seeds[0].layer(3)).max()
    )


def test_the_paper_reads_without_start_token_and_takes_the_normed_last_layer(folder, store):
    import torch

    card = tiny_models.card("gpt2", folder, bos="<|endoftext|>")
    model, toy = TransformerModel(card, folder), recording(1)
    paper, ours = preset("schrimpf2021").but(context="none"), DEFENDED.but(context="none")
    theirs, own = extract(model, toy, paper, store=store), extract(model, toy, ours, store=store)
    assert theirs.key != own.key
    ids = model.tokenizer(toy.texts[0], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        told = model.module(ids, output_hidden_states=True)
        norm = model.module.ln_f
    np.testing.assert_allclose(theirs.layer(3)[0], told.hidden_states[-1][0, -1], atol=5e-5)
    np.testing.assert_allclose(theirs.layer(2)[0], told.hidden_states[2][0, -1], atol=5e-5)
    raw = extract(model, toy, ours.but(start="tokenizer"), store=store).layer(3)[0]
    np.testing.assert_allclose(norm(torch.from_numpy(raw)).detach(), theirs.layer(3)[0], atol=5e-5)
    assert np.abs(raw - theirs.layer(3)[0]).max() > 1e-2


def test_a_narrow_window_keeps_the_newest_tokens(folder, store):
    import torch

    model, toy = model_of(folder), recording(1)
    toy.stimuli["passage"] = "one"
    narrow = extract(model, toy, DEFENDED.but(window=16), store=store)
    assert narrow.key != extract(model, toy, DEFENDED, store=store).key
    last = 5
    ids = model.tokenizer(" ".join(toy.texts[: last + 1]))["input_ids"]
    assert len(ids) > 2 * 16
    with torch.no_grad():
        told = model.module(torch.tensor([ids[-16:]]), output_hidden_states=True).hidden_states[2][
            0, -1
        ]
    np.testing.assert_allclose(narrow.layer(2)[last], told, atol=5e-5)
    wide = model.window
    assert activation_key(model, toy, DEFENDED.but(window=wide)) == activation_key(
        model, toy, DEFENDED
    )  # nothing changes


# ---- damaged --------------------------------------------------------------------------------------------------------------
def other_layout(entry):
    import shutil

    shutil.rmtree(entry.folder)
    entry.create([f"s{i}" for i in range(3)], [5] * 4, {})
    for layer in range(4):
        entry.write(layer, np.zeros((3, 5), np.float32))


DAMAGES = {
    "a layer is gone": lambda e: (e.folder / "layers/2.npy").unlink(),
    "a layer is cut short": lambda e: os.truncate(e.folder / "layers/2.npy", 100),
    "the description is gone": lambda e: (e.folder / "meta.json").unlink(),
    "the description is no JSON": lambda e: (e.folder / "meta.json").write_text("{"),
    "the description is another": lambda e: (e.folder / "meta.json").write_text('{"size": 3}'),
    "another layout": other_layout,
    "a Gram is cut short": lambda e: os.truncate(e.folder / "grams/2.npy", 200),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_read_anew(damage, folder, store):
    whole = extract(model_of(folder), recording(1), DEFENDED, store=store)
    expected = {layer: whole.layer(layer).copy() for layer in whole.layers}
    gram = whole.gram(2)
    DAMAGES[damage](store.activations(whole.key))
    again = extract(model_of(folder), recording(1), DEFENDED, store=store)
    assert again.fresh == ("Gram" not in damage)
    for layer in again.layers:
        np.testing.assert_array_equal(again.layer(layer), expected[layer])
    np.testing.assert_allclose(again.gram(2), gram, atol=1e-9)
    assert not extract(model_of(folder), recording(1), DEFENDED, store=store).fresh


def test_a_layer_damaged_after_it_was_found_is_read_again(folder, store, caplog):
    whole = extract(model_of(folder), recording(1), DEFENDED, store=store)
    expected, path = whole.layer(2).copy(), store.activations(whole.key).folder / "layers/2.npy"
    again = extract(model_of(folder), recording(1), DEFENDED, store=store)
    content = bytearray(path.read_bytes())
    content[200] ^= 1  # the same size: only its checksum tells
    path.write_bytes(content)
    assert not again.fresh
    np.testing.assert_array_equal(again.layer(2), expected)
    assert caplog.text.count("does not hold the bytes") == 1
    np.testing.assert_array_equal(store.activations(whole.key).layer(2), expected)


def test_a_damaged_shared_store_is_passed_over(folder, tmp_path):
    lab = Store(tmp_path / "lab", readers=[])
    shared = extract(model_of(folder), recording(1), DEFENDED, store=lab)
    (lab.activations(shared.key).folder / "layers/1.npy").unlink()
    own = extract(
        model_of(folder), recording(1), DEFENDED, store=Store(tmp_path / "own", readers=[lab.root])
    )
    assert own.fresh and own.layer(1).shape == own.layer(2).shape


# ---- killed, cancelled, two at once ---------------------------------------------------------------------------------------
CHILD = """
import os, signal, sys, json
sys.path[:0] = {path!r}
import test_activations as t
from analysis.store.entry import Journal
from analysis.models import transformer
transformer.CAUSAL_BATCH = 2
count = 0
original = Journal.add
def add(self, rows, values):
    global count
    count += 1
    if count == {die}:
        with self._path(0).open("r+b") as stream:  # half of a batch is written, and that is it
            stream.seek(4 * self._widths[0] * int(rows[0]))
            stream.write(bytes(4 * self._widths[0]))
        os.kill(os.getpid(), signal.SIGKILL)
    original(self, rows, values)
Journal.add = add
from pathlib import Path
a = t.extract(t.model_of(Path({folder!r})), t.recording(), t.DEFENDED, store=t.Store({store!r}, readers=[]))
print(json.dumps([a.fresh, a.key]))
"""


def child(folder, store, die=0):
    code = CHILD.format(
        path=[str(TESTS / "analysis"), str(TESTS.parent)],
        die=die,
        folder=str(folder),
        store=str(store.root),
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=TESTS.parent,
    )


@pytest.mark.slow
def test_a_killed_run_loses_one_batch_and_ends_bit_identical(folder, store, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.models.transformer.CAUSAL_BATCH", 2)
    process = child(folder, store, die=3)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    ran = []
    original = TransformerModel._forward
    monkeypatch.setattr(
        TransformerModel,
        "_forward",
        lambda self, batch, *a: ran.append(len(batch)) or original(self, batch, *a),
    )
    resumed = extract(model_of(folder), recording(), DEFENDED, store=store)
    again = len(ran)
    clean = extract(
        model_of(folder), recording(), DEFENDED, store=Store(tmp_path / "clean", readers=[])
    )
    assert resumed.fresh and again == len(ran) - again - 2  # two whole batches were kept
    for layer in clean.layers:
        np.testing.assert_array_equal(resumed.layer(layer), clean.layer(layer))
    assert not (store.root / "activations" / resumed.key / "partial").exists()


@pytest.mark.slow
def test_two_processes_compute_it_once(folder, store):
    both = [child(folder, store), child(folder, store)]
    told = []
    for process in both:
        out, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
        told.append(json.loads(out.splitlines()[-1]))
    assert sorted(fresh for fresh, _ in told) == [False, True]
    assert len({key for _, key in told}) == 1


def test_a_cancelled_run_leaves_no_layer_and_goes_on_later(folder, store, monkeypatch):
    monkeypatch.setattr("analysis.models.transformer.CAUSAL_BATCH", 2)
    report = Report(
        on_progress=lambda done, total, what, left: (
            report.cancel() if what.endswith("stimuli") and done else None
        )
    )
    with pytest.raises(Cancelled):
        extract(model_of(folder), recording(), DEFENDED, store=store, report=report)
    key = activation_key(model_of(folder), recording(), DEFENDED)
    assert store.activations(key).complete() == set()
    assert extract(model_of(folder), recording(), DEFENDED, store=store).fresh


def test_waiting_for_another_process_can_be_cancelled(folder, store):
    key = activation_key(model_of(folder), recording(), DEFENDED)
    said = []
    report = Report(
        on_progress=lambda done, total, what, left: (said.append(what), report.cancel())
    )
    with store.lock(key), pytest.raises(Cancelled):
        extract(model_of(folder), recording(), DEFENDED, store=store, report=report)
    assert said == ["waiting: another process reads the same texts"]


def test_a_reader_that_forgets_rows_is_found_out(store):
    class Forgetful(Reader):
        def read(self, passages, layers, **options):
            yield np.array([0]), [np.zeros((1, 3), np.float32) for _ in layers]

    with pytest.raises(BrainLensError, match="gave no activations for"):
        extract(Forgetful(), recording(), DEFENDED, store=store)


def test_layers_of_unequal_width_keep_their_width(store):
    class Uneven(Reader):
        widths = property(lambda self: (2, 5))

        def read(self, passages, layers, **options):
            for p in passages:
                yield (
                    np.array(p.rows),
                    [np.full((len(p.rows), self.widths[n]), n + 0.5, np.float32) for n in layers],
                )

    activations = extract(Uneven(), recording(), DEFENDED, store=store)
    assert (
        activations.layer(0).shape == (recording().n_stimuli, 2)
        and activations.layer(1).shape[1] == 5
    )
    assert (activations.layer(0) == 0.5).all()


# ---- from files -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    toy = recording(1)
    ids = np.array(toy.stimuli.index, dtype=str)[::-1].copy()  # another order than the recording's
    return toy, ids, rng.normal(size=(2, len(ids), 6)).astype(np.float32)


@pytest.mark.parametrize("form", ["npz", "nc", "zarr"])
def test_activations_from_a_file_come_into_the_recordings_order(form, arrays, tmp_path):
    toy, ids, values = arrays
    path = tmp_path / f"mine.{form}"
    if form == "npz":
        np.savez(path, stimulus=ids, layer_0=values[0], layer_1=values[1])
    else:
        saved = xr.Dataset(
            {"activations": (("layer", "stimulus", "unit"), values)},
            coords={"stimulus": ids, "layer": [0, 1]},
        )
        saved.to_netcdf(path) if form == "nc" else saved.to_zarr(path)
    found = from_file(path, toy)
    assert (
        found.id == "mine" and found.layers == [0, 1] and found.widths == (6, 6) and not found.fresh
    )
    np.testing.assert_array_equal(found.layer(1), values[1][::-1])
    centred = values[1][::-1].astype(float) - values[1].mean(axis=0, dtype=float)
    np.testing.assert_allclose(found.gram(1), centred @ centred.T, atol=1e-4)


def test_what_the_store_wrote_can_be_imported(folder, store):
    activations = extract(model_of(folder), recording(1), DEFENDED, store=store)
    store.activations(activations.key).open().to_netcdf(store.root / "mine.nc")
    found = from_file(store.root / "mine.nc", recording(1))
    np.testing.assert_array_equal(found.layer(2), activations.layer(2))


def test_files_that_do_not_fit_are_refused(arrays, tmp_path):
    toy, ids, values = arrays
    path = tmp_path / "bad.npz"
    with pytest.raises(BrainLensError, match="There is no file"):
        from_file(path, toy)
    np.savez(path, stimulus=ids[1:], layer_0=values[0][1:])
    with pytest.raises(
        BrainLensError, match=f"lacks 1 of the {len(ids)} stimuli of toy, first '{ids[0]}'"
    ):
        from_file(path, toy)
    np.savez(path, stimulus=np.append(ids, ids[0]), layer_0=np.vstack([values[0], values[0][:1]]))
    with pytest.raises(BrainLensError, match="1 stimuli occur more than once"):
        from_file(path, toy)
    np.savez(path, stimulus=ids, layer_0=np.full_like(values[0], np.nan))
    with pytest.raises(BrainLensError, match="holds no value at all"):
        from_file(path, toy)
    np.savez(path, stimulus=ids, layer_0=values[0][:3])
    with pytest.raises(BrainLensError, match=r"has shape \(3, 6\)"):
        from_file(path, toy)
    np.savez(path, values=values)
    with pytest.raises(BrainLensError, match="Give an array 'stimulus'"):
        from_file(path, toy)


def test_pickled_arrays_are_never_opened(arrays, tmp_path):
    toy, ids, _ = arrays

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(
        tmp_path / "bomb.npz",
        stimulus=ids,
        layer_0=np.array([Bomb()], dtype=object),
        allow_pickle=True,
    )
    with pytest.raises(BrainLensError, match="a pickle"):
        from_file(tmp_path / "bomb.npz", toy)
    assert not (tmp_path / "ran").exists()
