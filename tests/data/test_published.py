"""Published tables say what the papers and their released files say."""

import numpy as np
import pytest

from data.errors import BrainLensError
from data.readers import published


def wide(variant):
    table = published.schrimpf2021()
    return table[table["variant"] == variant].pivot(
        index="model", columns="benchmark", values="score"
    )


def test_the_43_models():
    models = published.schrimpf2021_models()
    paper = models[models["in_paper"]]
    assert len(paper) == 43 and paper["family"].nunique() == 15 and len(models) == 44
    assert set(models.loc[~models["in_paper"], "model"]) == {"transformer"}
    assert [published.family(m) for m in models["model"]] == models["family"].tolist()
    assert set(published.schrimpf2021()["model"]) == set(paper["model"])
    assert "transformer" in set(published.schrimpf2021(extra=True)["model"])


def test_known_values_are_not_clipped():
    trained, untrained = wide("trained"), wide("untrained")
    assert trained.loc["gpt2-xl", "pereira2018"] == pytest.approx(1.044, abs=5e-4)
    assert untrained.loc["albert-xxlarge-v2", "fedorenko2016"] == pytest.approx(1.607, abs=5e-4)
    assert trained["pereira2018"].corr(trained["fedorenko2016"]) == pytest.approx(0.500, abs=5e-4)
    assert trained["pereira2018"].corr(trained["blank2014"]) == pytest.approx(0.589, abs=5e-4)
    better = (untrained >= trained).sum()
    assert better.to_dict() == {
        "fedorenko2016": 17,
        "blank2014": 14,
        "futrell2018": 18,
        "pereira2018": 1,
    }


def test_tasks_and_width():
    tasks = published.schrimpf2021_tasks()
    trained = tasks[tasks["variant"] == "trained"].set_index("model")
    futrell = wide("trained")["futrell2018"]
    assert trained["wikitext2_ppl"].corr(futrell) == pytest.approx(-0.367, abs=1e-3)
    assert trained["width"].astype(float).corr(futrell) == pytest.approx(0.89, abs=5e-3)
    assert np.exp(trained.loc["gpt2", "wikitext2_loss"]) == pytest.approx(
        trained.loc["gpt2", "wikitext2_ppl"]
    )
    assert trained["glue_mean"].notna().sum() >= 41


def test_every_layer_and_the_best():
    layers = published.schrimpf2021(best=False)
    best = published.schrimpf2021()
    gpt2 = layers.query("model == 'gpt2' and benchmark == 'pereira2018' and variant == 'trained'")
    assert gpt2["layer_index"].tolist() == list(range(13)) and gpt2["depth"].iloc[
        [0, -1]
    ].tolist() == [0.0, 1.0]
    chosen = best.query(
        "model == 'gpt2' and benchmark == 'pereira2018' and variant == 'trained'"
    ).iloc[0]
    assert chosen["layer"] == "encoder.h.11" and chosen["score"] == gpt2["score"].max()
    assert not best.duplicated(["model", "benchmark", "variant"]).any()


def test_hadidi():
    table = published.hadidi2025()
    assert table["model"].nunique() == 47 and len(table) == 47 * 18
    last = table[table["pooling"] == "last"].set_index(["model", "benchmark", "split"])["score"]
    for benchmark, shuffled, contiguous in (
        ("pereira2018", 0.398, 0.140),
        ("fedorenko2016", 0.257, 0.203),
        ("blank2014", 0.049, 0.025),
    ):
        assert last["gpt2-xl", benchmark, "shuffled"] == pytest.approx(shuffled, abs=5e-4)
        assert last["gpt2-xl", benchmark, "contiguous"] == pytest.approx(contiguous, abs=5e-4)
    assert last["OASM-all-sigma", "blank2014", "shuffled"] == pytest.approx(0.503, abs=5e-4)


def test_callers_cannot_change_the_tables():
    for table in (published.schrimpf2021(), published.hadidi2025()):
        table["score"] *= 0
    assert wide("trained").to_numpy().max() > 1 and published.hadidi2025()["score"].max() > 0.4


def test_citations_and_families():
    assert published.citation("schrimpf2021").startswith("@article{schrimpf2021neural")
    with pytest.raises(BrainLensError, match="did you mean 'hadidi2025'"):
        published.citation("hadidi2024")
    assert [
        published.family(m) for m in ("openai-gpt", "facebook/opt-125m", "smollm2-135m", "lm_1b")
    ] == [
        "gpt",
        "opt",
        "smollm",
        "lm_1b",
    ]


@pytest.mark.realdata
def test_our_tables_hold_the_released_scores(mirror):
    import pandas as pd

    released = pd.read_csv(mirror / "neural_nlp" / "precomputed-scores.csv", encoding="utf-8-sig")
    ours = published.schrimpf2021(best=False, extra=True)
    brain = released[released["layer"].notna()]
    assert len(brain) == len(ours)
    np.testing.assert_array_equal(np.sort(brain["score"].dropna()), np.sort(ours["score"].dropna()))
