"""Units found by sentences against non-words, and cut out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from analysis.models.variants import lesion as localiser
from analysis.models.variants.apply import apply
from analysis.models.variants.spec import Variant
from data.errors import BrainLensError


@pytest.fixture(scope="module")
def tokenizer():
    pieces = {piece: i for i, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(pieces, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=made)


def network():
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=256, n_layer=3, n_embd=20, n_head=2, n_positions=256)
    )


def test_strings_are_as_long_as_each_other_and_words_are_no_words():
    strings = localiser.sentences()
    made = localiser.nonwords(strings)
    assert len(strings) == len(made) == localiser.STRINGS == len(set(made))
    assert [len(s.split()) for s in strings] == [len(s.split()) for s in made]
    lengths = [np.mean([len(w) for s in texts for w in s.split()]) for texts in (strings, made)]
    assert abs(lengths[0] - lengths[1]) < 1.0
    assert made == localiser.nonwords(strings) != localiser.nonwords(strings, seed=1)
    known = {w.lower() for s in strings for w in s.split()}
    assert np.mean([w.lower() in known for s in made for w in s.split()]) < 0.1


def test_the_contrast_is_welchs_t():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 2, (30, 4, 5)), rng.normal(0, 1, (20, 4, 5))
    np.testing.assert_allclose(
        localiser.contrast(a, b), stats.ttest_ind(a, b, equal_var=False).statistic, rtol=1e-10
    )
    assert (localiser.contrast(np.ones((4, 2)), np.zeros((4, 2))) == 0).all()


def test_units_are_chosen_over_all_blocks():
    t = np.arange(40.0).reshape(4, 10) - 20
    assert np.flatnonzero(localiser.select(t, "language", 10)).tolist() == [36, 37, 38, 39]
    assert (
        np.flatnonzero(localiser.select(t, "least", 5)).tolist() == [20, 21]
        or np.abs(t[localiser.select(t, "least", 5)]).max() <= 1
    )
    random = localiser.select(t, "random", 10, seed=3)
    assert random.sum() == 4 and not (random & localiser.select(t, "language", 10)).any()
    assert np.array_equal(random, localiser.select(t, "random", 10, seed=3))
    assert (
        localiser.select(t, "language", 0.001).sum() == 1
        and localiser.select(t, "language", 100).all()
    )


def test_planted_units_are_found_and_silenced(tokenizer):
    module = network()
    found = localiser.unit_means(
        module.base_model, _parts(module), tokenizer, localiser.sentences()[:4]
    )
    assert found.shape == (4, 3, 20)
    lesioned = apply(network(), Variant.parse("lesion:language:10:0"), tokenizer=lambda: tokenizer)
    assert lesioned.lesion.shape == (3, 20) and lesioned.lesion.sum() == 6
    ids = tokenizer("A short sentence.", return_tensors="pt")["input_ids"]
    heard = {}
    for i, block in enumerate(lesioned.base_model.h):
        block.register_forward_hook(
            lambda m, a, out, i=i: heard.__setitem__(i, out[0] if isinstance(out, tuple) else out)
        )
    with torch.inference_mode():
        changed = lesioned(ids).logits
        whole = network().eval()(ids).logits
    for i in range(3):
        values = heard[i].reshape(-1, 20)
        silent = (values == 0).all(0).numpy()
        assert np.array_equal(silent, lesioned.lesion[i])
    assert not torch.allclose(changed, whole)


def _parts(module):
    from analysis.models.architectures import anatomy

    return anatomy(module.base_model)


def test_a_lesion_equals_zeroing_by_hand(tokenizer):
    """Cut out a unit of the last block only: the head sees a hidden state with that unit at zero."""
    module = BertModel(
        BertConfig(
            vocab_size=256,
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=8,
        )
    )
    lesioned = apply(module, Variant.parse("lesion:language:4:0"), tokenizer=lambda: tokenizer)
    assert lesioned.lesion.sum() == 1
    with torch.inference_mode():
        states = lesioned(
            tokenizer("Hello.", return_tensors="pt")["input_ids"], output_hidden_states=True
        ).hidden_states
    block, unit = np.argwhere(lesioned.lesion)[0]
    assert (states[block + 1][..., unit] == 0).all()


def test_models_whose_units_cannot_be_cut_out(tokenizer):
    shared = AlbertModel(
        AlbertConfig(
            vocab_size=256,
            hidden_size=8,
            embedding_size=8,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=8,
        )
    )
    with pytest.raises(BrainLensError, match=r"again and again"):
        apply(shared, Variant.parse("lesion:language:1:0"), tokenizer=lambda: tokenizer)
    with pytest.raises(BrainLensError, match=r"needs a transformer"):
        apply(torch.nn.Linear(2, 2), Variant.parse("lesion:language:1:0"))


def test_matched_units_are_as_many_in_each_block():
    t = np.random.default_rng(0).normal(size=(4, 50)) + np.arange(4)[:, None]
    found, matched = localiser.select(t, "language", 20), localiser.select(t, "matched", 20, seed=2)
    assert (found.sum(1) == matched.sum(1)).all() and found.sum() == 40
    few = found.sum(1) <= 25
    assert not (found & matched)[few].any()
    assert (matched != localiser.select(t, "matched", 20, seed=3)).any()


def test_a_block_that_is_cut_out_hands_on_what_it_gets_and_heads_equal_zeros_in_the_output_matrix(
    tokenizer,
):
    ids = tokenizer("A short sentence.", return_tensors="pt")["input_ids"]
    cut = apply(network(), Variant.parse("lesion:blocks:30:1"), tokenizer=lambda: tokenizer)
    by_hand = network().eval()
    kept = [block for block, gone in zip(by_hand.transformer.h, cut.lesion) if not gone]
    by_hand.transformer.h = torch.nn.ModuleList(kept)
    with torch.inference_mode():
        assert cut.lesion.sum() == 1
        torch.testing.assert_close(cut(ids).logits, by_hand(ids).logits)
    cut = apply(network(), Variant.parse("lesion:heads:34:1"), tokenizer=lambda: tokenizer)
    by_hand = network().eval()
    for block, gone in zip(by_hand.transformer.h, cut.lesion):
        for head in np.flatnonzero(gone):
            block.attn.c_proj.weight.data[head * 10 : head * 10 + 10] = 0
    with torch.inference_mode():
        assert cut.lesion.sum() == 2
        torch.testing.assert_close(cut(ids).logits, by_hand(ids).logits)


def test_a_saved_map_is_cut_by_and_belongs_to_its_model(tokenizer, tmp_path, monkeypatch):
    from analysis.models.variants.made_of import made_of
    from analysis.models.variants.maps import UnitMap, load_map, maps, save_map

    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    t = np.zeros((3, 20))
    t[1, 4] = t[2, 7] = 9.0
    save_map(UnitMap("mine", "tiny", t, 10, 12, "speech against noise"))
    assert maps() == ["mine"] and load_map("mine").about == "speech against noise"
    variant = Variant.parse("lesion:map-mine:3.3:0")
    before = made_of(variant)
    cut = apply(network(), variant, tokenizer=lambda: tokenizer)
    assert np.argwhere(cut.lesion).tolist() == [[1, 4], [2, 7]]
    beside = apply(
        network(), Variant.parse("lesion:matched-mine:3.3:0"), tokenizer=lambda: tokenizer
    )
    assert beside.lesion.sum(1).tolist() == [0, 1, 1] and not (beside.lesion & cut.lesion).any()
    save_map(UnitMap("mine", "tiny", t + 1, 10, 12))
    assert made_of(variant) != before
    save_map(UnitMap("other", "large", np.zeros((4, 20)), 10, 12))
    with pytest.raises(BrainLensError, match="made on large, with 4 blocks of 20 units"):
        apply(network(), Variant.parse("lesion:map-other:1"), tokenizer=lambda: tokenizer)
    with pytest.raises(BrainLensError, match="cannot be the name"):
        save_map(UnitMap("My Map", "tiny", t, 1, 1))
