"""Tables of other tools in the place of a model: found in the texts by their characters, units told or asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.features.adding import holds_words_of, keep
from analysis.features.surprisal import word_surprisal
from analysis.features.surprisal_table import holds_surprisals, only_surprisals, unit_asked
from analysis.models import catalog
from analysis.reading.run import read
from analysis.reading.source import surprisal_of
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.own.sidecar import write_sidecar

TEXT = "The old dog slept. Nobody knew."
TOKENS = [
    "The",
    "\u0120old",
    "\u0120dog",
    "\u0120sl",
    "ept",
    ".",
    "\u0120Nobody",
    "\u0120knew",
    ".",
]
BITS = np.arange(1.0, 10.0)


def write(folder, name="mine.csv", **columns):
    path = folder / name
    frame = pd.DataFrame(columns)
    frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def words(path, tmp_path):
    return word_surprisal(
        catalog.load(str(path)), TEXT, store=Store(tmp_path / "store", readers=[])
    )


LAYOUTS = {
    "minicons": ("a.csv", {"token": TOKENS, "surprisal_nats": BITS * np.log(2)}),
    "lm-zoo": (
        "b.tsv",
        {"sentence_id": [1] * 9, "token_id": range(9), "token": TOKENS, "surprisal": BITS},
    ),
    "llm_surprisal": (
        "f.csv",
        {
            "item": [1] * 6 + [2] * 3,
            "idx": [1, 2, 3, 4, 5, 6, 1, 2, 3],
            "token": [t.lstrip("\u0120") for t in TOKENS],
            "surprisal": BITS,
        },
    ),
    "llm_surprisal of old": (
        "g.csv",
        {
            "item": [1] * 9,
            "wn": range(9),
            "w": [t.lstrip("\u0120") for t in TOKENS],
            "surprisal": BITS,
        },
    ),
    "pangoling": (
        "c.csv",
        {
            "word": ["The", "old", "dog", "slept.", "Nobody", "knew."],
            "lp": -np.log(2) * np.array([1, 2, 3, 4 + 5 + 6, 7, 8 + 9.0]),
        },
    ),
    "llama": (
        "d.csv",
        {
            "token": ["<s>", *[t.replace("\u0120", "\u2581") for t in TOKENS]],
            "surprisal_bits": [np.nan, *BITS],
        },
    ),
    "wordpieces": (
        "e.csv",
        {
            "token": ["the", "old", "dog", "sl", "##ept", ".", "nobody", "knew", "."],
            "surprisal_bits": BITS,
        },
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_have_the_sum_of_their_tokens_in_bits(layout, tmp_path):
    name, columns = LAYOUTS[layout]
    table = words(write(tmp_path, name, **columns), tmp_path)
    np.testing.assert_allclose(table["surprisal"], [1, 2, 3, 15, 7, 17])
    assert not table.attrs["word_boundary"]


def test_a_unit_that_is_not_told_is_asked_for(tmp_path):
    path = write(tmp_path, token=TOKENS, surprisal=BITS)
    with pytest.raises(BrainLensError, match="in bits or in nats") as caught:
        catalog.load(str(path))
    assert "surprisal_nats" in caught.value.remedy
    with pytest.raises(BrainLensError, match="values above 0"):
        catalog.load(str(write(tmp_path, "p.csv", token=TOKENS, logprob=BITS)))
    with pytest.raises(BrainLensError, match="below 0, first -1"):
        catalog.load(str(write(tmp_path, "q.csv", token=TOKENS, surprisal_bits=-BITS)))


def test_the_unit_may_stand_beside_the_file_and_is_part_of_its_identity(tmp_path):
    path = write(tmp_path, token=TOKENS, surprisal=BITS * np.log(2))
    assert "in bits or in nats" in unit_asked(path)
    write_sidecar(path, unit="nats")
    assert not unit_asked(path) and "nats, as it was told" in catalog.load(str(path)).card.note
    np.testing.assert_allclose(words(path, tmp_path)["surprisal"], [1, 2, 3, 15, 7, 17])
    nats = catalog.load(str(path)).fingerprint
    write_sidecar(path, unit="bits")
    assert catalog.load(str(path)).fingerprint != nats
    np.testing.assert_allclose(words(path, tmp_path)["surprisal"].iloc[0], np.log(2))
    write_sidecar(path, unit="hartleys")
    with pytest.raises(BrainLensError, match="Unknown unit of surprisals 'hartleys'"):
        words(path, tmp_path)


def test_the_base_of_log_probabilities_is_told_by_their_name_or_asked_for(tmp_path):
    logs = -BITS * np.log(2)  # natural
    expected = [1, 2, 3, 15, 7, 17]
    for name, base in (("log2prob", 2), ("lnprob", np.e), ("lp", np.e), ("log10_prob", 10)):
        path = write(tmp_path, f"{name}.csv", token=TOKENS, **{name: logs / np.log(base)})
        assert not unit_asked(path)
        np.testing.assert_allclose(words(path, tmp_path)["surprisal"], expected)
    for unit, base, said in (
        ("bits", 2, "binary"),
        ("nats", np.e, "natural"),
        ("bans", 10, "decimal"),
    ):
        path = write(tmp_path, f"{unit}.csv", token=TOKENS, logprob=logs / np.log(base))
        assert "base 2, e or 10" in unit_asked(path)
        with pytest.raises(BrainLensError, match="'logprob' may be of base 2, e or 10") as caught:
            words(path, tmp_path)
        assert "log2prob, lnprob or log10prob" in caught.value.remedy
        write_sidecar(path, unit=unit)
        np.testing.assert_allclose(words(path, tmp_path)["surprisal"], expected)
        assert (
            f"{said} logarithms of probabilities, as it was told"
            in catalog.load(str(path)).card.note
        )


def test_a_table_of_measurements_that_has_surprisals_too_is_a_recording(tmp_path):
    both = write(tmp_path, "both.csv", word=["a", "b"], surprisal_bits=[1.0, 2.0], rt=[300, 310])
    alone = write(tmp_path, "alone.csv", item=[1, 1], word=["a", "b"], surprisal_bits=[1.0, 2.0])
    assert holds_surprisals(both) and not only_surprisals(both) and only_surprisals(alone)


def test_a_table_is_kept_among_the_models_with_its_unit(tmp_path, clean_home):
    texts = recording("simulated-reading")
    path = write(
        tmp_path, "Of mine.csv", word=texts.stimuli["text"], surprisal=np.arange(texts.n_stimuli)
    )
    write_sidecar(path, unit="nats")
    assert holds_words_of(path)[0] == ["simulated-reading"]
    assert keep(path, note="by hand") == "of-mine" and catalog.state("of-mine") == "ready"
    model = catalog.load("of-mine")
    assert model.card.cls == "table" and model.card.predicts_words and not model.card.has_layers
    assert "nats" in model.card.note and "by hand" in model.card.note
    told = surprisal_of("of-mine", texts, store=Store(tmp_path / "store", readers=[]))
    np.testing.assert_allclose(told, np.arange(texts.n_stimuli) / np.log(2), rtol=1e-6)
    other = write(
        tmp_path, "other.csv", word=["No", "such", "text"], surprisal_bits=[1.0, 2.0, 3.0]
    )
    here, why = holds_words_of(other)
    assert here == [] and "does not hold the text" in why


def test_on_the_command_line_a_table_reads_and_has_no_layers(tmp_path, clean_home):
    from dashboards.command.cli import main

    texts = recording("simulated-reading")
    path = write(tmp_path, word=texts.stimuli["text"],
                 surprisal_bits=np.random.default_rng(0).gamma(4, 2, texts.n_stimuli))  # fmt: skip
    said = [CliRunner().invoke(main, ["reading", *ask, "--on", "simulated-reading"])
            for ask in ([str(path)], ["--surprisal", str(path)])]  # fmt: skip
    assert [run.exit_code for run in said] == [0, 0], said[0].output + said[1].output
    one, two = (
        [part for part in run.output.split() if part.startswith(("0.", "-0."))] for run in said
    )
    assert one and one == two
    made = CliRunner().invoke(main, ["surprisal", str(path), "--on", "simulated-reading"])
    assert made.exit_code == 0 and "bits" in made.output
    refused = CliRunner().invoke(main, ["score", str(path), "--on", "simulated"])
    assert refused.exit_code == 1 and "no activations, only probabilities" in refused.output


def test_a_text_that_is_not_there_says_where_it_parts(tmp_path):
    path = write(tmp_path, token=[*TOKENS[:6], "Somebody", *TOKENS[7:]], surprisal_bits=BITS)
    with pytest.raises(BrainLensError, match=r"agrees for 15 of 26 characters") as caught:
        words(path, tmp_path)
    assert "'nobodyknew.'" in str(caught.value)
    twice = write(tmp_path, "twice.csv", token=TOKENS * 2, surprisal_bits=np.arange(18.0))
    with pytest.raises(BrainLensError, match="2 times with different surprisals"):
        words(twice, tmp_path)


def test_it_predicts_words_and_has_no_layers(tmp_path):
    from analysis.scoring.verb import score

    path = write(tmp_path, token=TOKENS, surprisal_bits=BITS)
    card = catalog.load(str(path)).card
    assert card.predicts_words and not card.has_layers and "bits" in card.note
    with pytest.raises(BrainLensError):
        score(str(path), "simulated", store=Store(tmp_path / "s", readers=[]))


def test_reading_with_a_table_is_reading_with_the_model_that_wrote_it(tmp_path):
    texts, store = recording("simulated-reading"), Store(tmp_path / "store", readers=[])
    own = word_surprisal(catalog.load("zoo-causal-200k"), texts, store=store)
    path = write(tmp_path, word=texts.stimuli["text"], surprisal_bits=own["surprisal"].fillna(0.0))
    told = surprisal_of(str(path), texts, store=store)
    np.testing.assert_allclose(told, own["surprisal"].fillna(0.0), atol=1e-6)
    table = read(str(path), texts, store=store)
    series = read("zoo-causal-200k", texts, surprisal=own["surprisal"].fillna(0.0), store=store)
    assert table.rows["delta_ll"].iloc[0] == pytest.approx(
        series.rows["delta_ll"].iloc[0], abs=1e-9
    )
    assert "from a table" in catalog.load(str(path)).card.note


def test_bits_and_nats_side_by_side_have_to_agree(tmp_path):
    right = write(tmp_path, token=TOKENS, surprisal_bits=BITS, surprisal_nats=BITS * np.log(2))
    assert len(words(right, tmp_path)) == 6
    wrong = write(tmp_path, "b.csv", token=TOKENS, surprisal_bits=BITS, surprisal_nats=BITS)
    with pytest.raises(BrainLensError, match="not the same surprisals"):
        words(wrong, tmp_path)


def test_a_table_without_known_names_says_which_they_are(tmp_path):
    path = write(tmp_path, word=TOKENS, gpt2=BITS)
    with pytest.raises(BrainLensError, match="surprisal_bits, surprisal_nats or lnprob"):
        surprisal_of(str(path), recording("simulated-reading"))
