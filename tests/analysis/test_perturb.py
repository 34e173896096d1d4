"""Noise, lesions and masked words, judged: planted differences are found with their sign, and nothing is claimed without them."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import preset
from analysis.answers.occlusion import Curve, occlusion, occlusion_curve
from analysis.answers.outcomes import MEASURES, Outcome, brain, gain, lean, mean_over_seeds, outcome
from analysis.answers.perturb import lesion_names, lesions, noise, noise_names
from analysis.features.divergence import next_piece_kl
from analysis.models import load
from analysis.models.variants.spec import split
from data.embedded import prose
from data.errors import BrainLensError
from tests import tiny_models

SHORT = preset("defended").but(folds=3, inner_folds=2, bootstrap=50)
TEXT = "\n\n".join(prose())[:1500]


def planted(slope: dict[str, float], seeds: int = 6, jitter: float = 0.004) -> list[Outcome]:
    """Copies whose r falls with noise, by depth; KL grows with noise as fast everywhere."""
    rng, found = np.random.default_rng(0), []
    for name in noise_names("m", seeds):
        variant = split(name)[2]
        fall = slope[variant.scheme.partition("-")[0]] * variant.amount if variant else 0.0
        found.append(
            Outcome(name, r=0.5 - fall + jitter * rng.normal(), r_nested=0.5, bits_per_byte=2 + fall,
                    kl=np.nan if not variant else variant.amount**2 * np.exp(0.02 * rng.normal()))
        )  # fmt: skip
    return found


def test_the_delicate_third_is_found_at_the_same_noise_and_at_the_same_kl():
    answer = noise(planted({"lower": 0.3, "middle": 0.2, "upper": 0.1}))
    assert set(answer.frame["depth"]) == {"lower third", "middle third", "upper third"}
    assert (answer.frame["seeds"] == 6).all() and (answer.facts["contrasts"]["high"] < 0).all()
    assert answer.facts["contrasts"]["at"].tolist() == ["the same noise", "the same KL"]
    assert answer.sentence.count("the lower third is the more delicate") == 2
    matched = answer.facts["matched"].groupby("depth")["r"].mean()
    assert matched["lower third"] < matched["middle third"] < matched["upper third"]
    upper = noise(planted({"lower": 0.1, "middle": 0.2, "upper": 0.3}))
    assert "the upper third is the more delicate" in upper.sentence


def test_where_no_seed_has_both_depths_nothing_is_said_of_depth():
    found = []
    for one in planted({"lower": 0.1, "middle": 0.2, "upper": 0.3}, jitter=0.0005):
        variant = split(one.model)[2]
        kept = variant and (variant.scheme.startswith("lower") == (variant.seed < 3))
        found.append(Outcome(one.model, r=one.r, kl=variant.amount**2 if kept else np.nan))
    answer = noise(found)
    assert "at the same KL 0 seeds cannot say whether depth matters" in answer.sentence


def test_what_hits_the_output_more_is_not_more_delicate_at_the_same_kl():
    """Upper noise moves the prediction four times as far; at the same KL nothing is left of the difference."""
    found = []
    for one in planted({"lower": 0.1, "middle": 0.1414, "upper": 0.2}, jitter=0.0005):
        variant = split(one.model)[2]
        reach = {"lower": 1.0, "middle": 2.0, "upper": 4.0}.get(
            variant.scheme.partition("-")[0], np.nan
        )
        found.append(
            Outcome(one.model, r=one.r, kl=variant.amount**2 * reach if variant else np.nan)
        )
    answer = noise(found)
    same = answer.facts["contrasts"].set_index("at")["difference"]
    assert same["the same noise"] > 0.03 and abs(same["the same KL"]) < 0.01


def test_no_difference_is_claimed_where_none_is():
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = [Outcome(name, r=0.4 + 0.02 * rng.normal(), kl=1.0) for name in noise_names("m", 5)]
        wrong += "delicate" in noise(found).sentence
    assert wrong <= 6  # 5 % of 40 are 2; six or more have a chance of .01


def test_two_seeds_claim_nothing_however_near_they_lie():
    found = planted({"lower": 0.3, "middle": 0.2, "upper": 0.1}, seeds=2, jitter=0.0)
    answer = noise(found)
    assert answer.sentence.count("2 seeds cannot say whether depth matters") == 2
    assert "delicate" not in answer.sentence
    three = noise(planted({"lower": 0.3, "middle": 0.2, "upper": 0.1}, seeds=3, jitter=0.0))
    assert "the lower third is the more delicate" in three.sentence


def test_one_seed_is_no_finding():
    answer = noise(planted({"lower": 0.3, "middle": 0.2, "upper": 0.1}, seeds=1))
    assert (
        "1 seed cannot say whether depth matters" in answer.sentence
        and "a look, not a finding" in answer.caption
    )
    assert answer.frame["r_low"].isna().all()
    assert "means of 1 seed;" in answer.sentence
    begun = [
        one
        for one in planted({"lower": 0.3, "middle": 0.2, "upper": 0.1})
        if "upper" not in one.model
    ]
    assert "means of 6 seeds (nothing yet of the upper third)" in noise(begun).sentence
    with pytest.raises(BrainLensError, match="model without it"):
        noise([Outcome("m@noise:lower-third:0.2:0", r=0.3)])


def test_localised_units_are_needed_more_than_others_only_where_they_are():
    def found(cost):
        rng = np.random.default_rng(1)
        for name in lesion_names("m", 9):
            variant = split(name)[2]
            fall = {"language": cost, "matched": 0.02, "heads": 0.05, "blocks": 0.1}.get(
                variant.scheme, 0.0
            )
            yield Outcome(name, r=0.5 - fall + 0.002 * rng.normal())

    answer = lesions(found(0.2))
    tests = answer.facts["tests"]
    assert (
        tests["p"].tolist() == [0.1] * 3 and "more than any of 9 random lesions" in answer.sentence
    )
    np.testing.assert_allclose(tests["lost"], 0.2, atol=0.01)
    np.testing.assert_allclose(tests["others"], 0.02, atol=0.01)
    none = lesions(found(0.02))
    assert (none.facts["tests"]["p"] > 0.1).any() and "not more than all" in none.sentence
    assert set(answer.frame["what"]) == {
        "localised units",
        "other units, same blocks",
        "attention heads",
        "one block",
    }


def test_an_interval_over_seeds_is_the_t_interval():
    from scipy import stats

    values = np.array([0.1, 0.3, 0.2, 0.6])
    import pandas as pd

    made = mean_over_seeds(pd.DataFrame({"k": "a", "r": values}), ("k",), ("r",)).iloc[0]
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(
        [made["r"], made["r_low"], made["r_high"]], [values.mean(), low, high]
    )


# ---- on models that ship ---------------------------------------------------------------------------------------------------
def test_brain_scores_are_those_of_the_score_under_the_same_protocol():
    from analysis import score

    mine = brain(load("zoo-causal-200k"), "simulated", SHORT)
    whole = score("zoo-causal-200k", "simulated", lean(SHORT))
    np.testing.assert_allclose(
        mine["layers"], whole.table().groupby("layer")["r"].first(), atol=1e-6
    )
    assert mine["r_nested"] == pytest.approx(whole.value, abs=1e-6)
    assert mine["r_low"] < mine["r"] < mine["r_high"]


def test_the_divergence_is_by_hand_and_grows_with_noise():
    import torch

    whole, some, more = (
        load(f"zoo-causal-200k{end}") for end in ("", "@noise:all:0.1:0", "@noise:all:0.5:0")
    )
    small, large = (next_piece_kl(whole, one, TEXT, length=64) for one in (some, more))
    assert 0 < small < large and next_piece_kl(whole, whole, TEXT) == pytest.approx(0, abs=1e-6)
    ids = [whole.frame()[0][0], *whole.tokenizer(TEXT, add_special_tokens=False)["input_ids"][:63]]
    with torch.inference_mode():
        p, q = (one.lm(torch.tensor([ids])).logits[0].double().softmax(-1) for one in (whole, some))
    by_hand = float((p * (p.log() - q.log())).sum(-1).mean())
    first = whole.tokenizer.decode(ids[1:])
    assert next_piece_kl(whole, some, first, length=64) == pytest.approx(by_hand, rel=1e-4)
    with pytest.raises(BrainLensError, match="do not read the same pieces"):
        next_piece_kl(whole, load("zoo-masked-1m@words:scrambled:0"), TEXT)


def test_without_a_text_there_is_no_divergence():
    name, quick = "zoo-causal-200k", SHORT.but(seeds=1)
    found = outcome(f"{name}@noise:all:0.4:0", "simulated", quick, text="", whole=name)
    assert np.isnan(found.kl) and np.isnan(found.bits_per_byte) and np.isfinite(found.r)


def test_reading_times_count_as_in_the_lens_reading():
    from analysis.reading.run import read

    mine = gain(load("zoo-causal-200k"), "simulated-reading")
    rows = read("zoo-causal-200k", "simulated-reading").rows
    assert mine == pytest.approx(rows["delta_ll"].mean(), abs=1e-9)


def test_what_a_model_cannot_give_is_said():
    found = outcome(
        "zoo-glove-64d",
        "simulated",
        SHORT,
        text=TEXT,
        corpus="simulated-reading",
        whole="zoo-causal-200k",
    )
    assert found.r > 0.05 and np.isnan(found.bits_per_byte) and np.isnan(found.delta_ll)
    assert set(found.why) == {"bits_per_byte", "delta_ll", "kl"} and set(MEASURES) <= set(found.row)


def test_masks_cost_and_a_curve_begins_at_the_whole_models_score():
    asked = dict(levels=(0, 60), text=TEXT, corpus="simulated-reading")
    curve = occlusion_curve("zoo-causal-200k", "simulated", SHORT, **asked)
    frame = curve.frame
    assert frame["r"].iloc[0] == pytest.approx(
        brain(load("zoo-causal-200k"), "simulated", SHORT)["r"], abs=1e-6
    )
    assert (
        frame["r"].iloc[0] > frame["r"].iloc[1]
        and frame["bits_per_byte"].iloc[0] < frame["bits_per_byte"].iloc[1]
    )
    assert (frame["words"] == frame["words"].iloc[0]).all() and frame["words"].iloc[0] > 100
    assert np.isfinite(frame["delta_ll"]).all()


def test_a_sentence_encoder_has_a_curve_without_bits(tmp_path):
    folder = tiny_models.make("bert", tmp_path / "bare", layers=1, width=16, head=False)
    frame = occlusion_curve(str(folder), "simulated", SHORT, levels=(0, 60), text=TEXT).frame
    assert np.isfinite(frame["r"]).all() and frame["bits_per_byte"].isna().all()


def test_the_curve_tells_context_from_a_bag_of_words():
    import pandas as pd

    def curve(model, cls, left, seed):
        rng = np.random.default_rng(seed)
        r = np.array([0.5, 0.5 * left, 0.5 * left**2]) + 0.003 * rng.normal(size=3)
        rest = {"bits_per_byte": np.nan, "delta_ll": np.nan, "words": 0}
        frame = pd.DataFrame({"percent": [0, 50, 90], "r": r, "r_nested": r, **rest})
        return Curve(model, cls, "word", seed, frame)

    kinds = (
        ("lm", "causal", 0.8), ("fragile", "recurrent", 0.3), ("bag", "embedding", 0.6), ("same", "bidirectional", 0.6),
    )  # fmt: skip
    answer = occlusion([curve(*kind, seed) for kind in kinds for seed in range(5)])
    assert (
        "context completes in lm" in answer.sentence
        and "context loses more in fragile" in answer.sentence
    )
    assert "the rest cannot be told" in answer.sentence
    two = occlusion([curve(*kind, seed) for kind in kinds for seed in range(2)])
    assert "context" not in two.sentence and "the rest cannot be told" in two.sentence
    nearly = [curve("near", "causal", 0.603, seed) for seed in range(5)]
    loose = [  # masks of the bag that scatter widely: its mean is not known well enough to stand above
        curve("bag", "embedding", 0.6 + 0.1 * (seed - 2), seed) for seed in range(5)
    ]
    told = occlusion([*nearly, *loose]).sentence
    assert "context" not in told and "the rest cannot be told" in told
    assert answer.facts["half"]["fragile"] == pytest.approx(50 * 0.5 / 0.7, abs=3)
    assert np.isnan(answer.facts["half"]["lm"]) or answer.facts["half"]["lm"] > 80
