"""Tasks with answers of their own: formulas by hand, a head against scikit-learn, tables in the published layouts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, matthews_corrcoef
from sklearn.preprocessing import StandardScaler

from analysis.models import load
from analysis.models.base import TokenSurprisal
from analysis.protocol import preset
from analysis.store.store import Store
from analysis.tasks.formula import chance, parse
from analysis.tasks.head import fit_head, measured
from analysis.tasks.pairs import judge
from analysis.tasks.probe import features_of, probe, sentence_features
from analysis.tasks.shares import mean_interval, share_interval
from analysis.tasks.syntaxgym import evaluate, placed, region_surprisals
from data.errors import BrainLensError
from data.readers.tasks import GLUE, glue, labelled_table, minimal_pairs
from data.readers.texts import read_suite

RNG = np.random.default_rng(0)
MEAN = preset("defended").but(pooling="mean")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("tasks"))


# ---- formulas -------------------------------------------------------------------------------------------------------
VALUES = {("a", 1): 2.0, ("a", 2): 3.0, ("b", 1): 1.0, ("b", 2): 4.5}


@pytest.mark.parametrize(
    "text,holds",
    [
        ("(1;%a%) > (1;%b%)", True),
        ("( (1;%a%) + (2;%a%) ) < ( (1;%b%) + (2;%b%) )", True),
        ("(*;%a%) < (*;%b%)", True),
        ("((1;%a%) > (1;%b%)) & ((2;%a%) > (2;%b%))", False),
        ("[(1;%a%) > (1;%b%)] | [(2;%a%) > (2;%b%)]", True),
        ("((1;%a%)-(1;%b%))+((2;%b%)-(2;%a%))>0", True),
        ("(1;%a%) - (1;%b%) - (1;%b%) > 0", False),
        ("(1;%a%) = (1;%b%)", False),
        ("(2;%b%) > 4.5", False),
    ],
)
def test_a_formula_says_what_it_says(text, holds):
    assert parse(text).holds(VALUES) is holds


def test_a_region_without_surprisal_leaves_a_formula_open_and_nonsense_is_refused():
    assert parse("(1;%a%) > (3;%a%)").holds(VALUES) is None
    assert parse("(1;%a%) > (1;%b%)").holds(VALUES | {("b", 1): float("nan")}) is None
    for wrong in ("(1;%a%) > ", "(1;%a%) ? 2", "((1;%a%) > 2", "(1;%a%) > 2 3"):
        with pytest.raises(BrainLensError, match="is no formula"):
            parse(wrong)


def test_chance_is_that_of_surprisals_that_say_nothing():
    assert chance(parse("(1;%a%) > (1;%b%)")) == pytest.approx(0.5, abs=0.02)
    assert chance(parse("((1;%a%) > (1;%b%)) & ((2;%a%) > (2;%b%))")) == pytest.approx(
        0.25, abs=0.02
    )
    assert chance(parse("((1;%a%) < (1;%b%)) & ((1;%a%) < (1;%c%))")) == pytest.approx(
        1 / 3, abs=0.02
    )


def test_a_region_is_the_sum_of_the_tokens_that_begin_in_it():
    sentence, spans = placed(["The", "author", "", "laughed", ",", "then left", "."])
    assert sentence == "The author laughed, then left."
    assert [sentence[a:b] for a, b in spans] == [
        "The",
        "author",
        "",
        "laughed",
        ",",
        "then left",
        ".",
    ]
    cuts = [(0, 3), (3, 6), (6, 10), (10, 18), (18, 19), (19, 24), (24, 30)]  # "left." is one token
    nats = np.log(2) * np.array([1, 2, 3, 4, 5, 6, 7.0])
    found = region_surprisals(spans, TokenSurprisal(np.array(cuts), nats, np.zeros(8)))
    assert found == pytest.approx([1, 5, 0, 4, 5, 13, 0])


# ---- SyntaxGym ------------------------------------------------------------------------------------------------------
def by_hand(name: str, bits) -> bool:
    """Ten predictions written down once more, each as one comparison of numbers."""
    b = bits
    return {
        "center_embed": lambda: b["plaus", 6] + b["plaus", 7] < b["implaus", 6] + b["implaus", 7],
        "cleft": lambda: (
            (b["np_mismatch", 6] - b["np_match", 6])
            + (b["vp_mismatch", 5] + b["vp_mismatch", 6] - b["vp_match", 5] - b["vp_match", 6])
            > 0
        ),
        "fgd_subject": lambda: (
            b["what_nogap", 3] > b["that_nogap", 3] and b["what_gap", 4] < b["that_gap", 4]
        ),
        "mvrr": lambda: (
            b["reduced_ambig", 5] > b["unreduced_ambig", 5]
            and b["reduced_ambig", 5] > b["reduced_unambig", 5]
            and b["reduced_ambig", 5] - b["unreduced_ambig", 5]
            > b["reduced_unambig", 5] - b["unreduced_unambig", 5]
        ),
        "npi_src_any": lambda: (
            b["neg_pos", 8] < b["pos_pos", 8]
            and b["neg_neg", 8] < b["pos_neg", 8]
            and b["neg_pos", 8] < b["pos_neg", 8]
        ),
        "npz_ambig": lambda: (
            b["ambig_nocomma", 5] > b["ambig_comma", 5]
            and b["ambig_nocomma", 5] > b["unambig_nocomma", 5]
            and b["ambig_nocomma", 5] - b["ambig_comma", 5]
            > b["unambig_nocomma", 5] - b["unambig_comma", 5]
        ),
        "number_prep": lambda: (
            b["match_sing", 6] < b["mismatch_sing", 6]
            and b["match_plural", 6] < b["mismatch_plural", 6]
        ),
        "reflexive_src_fem": lambda: (
            b["match_sing", 8] < b["mismatch_sing", 8]
            and b["match_plural", 8] < b["mismatch_plural", 8]
        ),
        "subordination": lambda: (
            b["sub_no-matrix", 3] > b["no-sub_no-matrix", 3]
            and b["sub_matrix", 3] < b["no-sub_matrix", 3]
        ),
        "fgd_hierarchy": lambda: (
            b["what_nogap", 6] > b["that_nogap", 6] and b["what_subjgap", 6] < b["that_subjgap", 6]
        ),
    }[name]()


TEN = ("center_embed", "cleft", "fgd_subject", "mvrr", "npi_src_any", "npz_ambig", "number_prep",
       "reflexive_src_fem", "subordination", "fgd_hierarchy")  # fmt: skip


@pytest.mark.realdata
def test_ten_items_by_hand_on_the_real_suites(mirror, store):
    """Surprisals of the whole prefix difference, not of regions: log p up to the region's end minus up to its beginning."""
    model = load("zoo-causal-200k")
    suites = {name: read_suite(mirror / "syntaxgym" / f"{name}.json") for name in TEN}
    found = evaluate(model, suites, store=store)
    for name in TEN:
        suite = suites[name]
        item = int(suite.regions["item"].iloc[0])
        rows = suite.regions[suite.regions["item"] == item]
        bits = {}
        for condition, mine in rows.groupby("condition"):
            mine = mine.sort_values("region")
            text, ends = "", []
            for part in mine["text"]:  # the sentence grows region by region
                part = part.replace(" ,", ",").replace(" .", ".")
                text += (" " if text and part and part[0] not in ",.?!;:" else "") + part
                ends.append(len(text))
            assert text == suite.sentence(item, condition)
            tokens = model.surprisal([text])[0]
            upto = [
                sum(n for (a, b), n in zip(tokens.offsets, tokens.nats, strict=True) if b <= end)
                for end in ends
            ]
            for region, high, low in zip(mine["region"], upto, [0.0, *upto], strict=False):
                bits[condition, int(region)] = (high - low) / np.log(2)
        scored = found[name]
        mine = scored.regions[scored.regions["item"] == item].set_index(["condition", "region"])
        for key, value in bits.items():
            assert mine.loc[key, "bits"] == pytest.approx(value, abs=1e-3), (name, key)
        holds = scored.items[(scored.items["item"] == item) & (scored.items["prediction"] == 0)]
        assert bool(holds["holds"].iloc[0]) == bool(by_hand(name, bits)), name


@pytest.mark.realdata
def test_all_suites_are_read_and_an_equality_is_not_counted(mirror):
    names = [p.stem for p in (mirror / "syntaxgym").glob("*.json") if p.stem != "test_suites"]
    assert len(names) == 31
    formulas = {
        name: [parse(one) for one in read_suite(mirror / "syntaxgym" / f"{name}.json").predictions]
        for name in names
    }
    equal = {name for name, some in formulas.items() if any(one.equality for one in some)}
    assert equal == {"fgd_hierarchy"} and all(not f.equality for f in formulas["fgd_hierarchy"][:1])


def suite_file(folder, formula="(3;%good%) < (3;%bad%)"):
    items = [
        {
            "item_number": n,
            "conditions": [
                {
                    "condition_name": name,
                    "regions": [
                        {"region_number": 1, "content": "The"},
                        {"region_number": 2, "content": noun},
                        {"region_number": 3, "content": verb},
                    ],
                }
                for name, noun, verb in (("good", "dogs", "were"), ("bad", "dog", "were"))
            ],
        }
        for n in (1, 2)
    ]
    path = folder / "own.json"
    path.write_text(
        json.dumps({"meta": {"name": "own"}, "predictions": [{"formula": formula}], "items": items})
    )
    return path


def test_a_suite_of_ones_own_is_scored_with_its_chance(tmp_path, store):
    suite = read_suite(suite_file(tmp_path))
    found = evaluate(load("zoo-causal-200k"), {"own": suite}, store=store)["own"]
    assert found.n == 2 and found.unknown == 0 and found.chance == pytest.approx(0.5, abs=0.02)
    assert found.accuracy in (0.0, 1.0) and 0 <= found.low < found.high <= 1
    with pytest.raises(BrainLensError, match="SyntaxGym suite"):
        evaluate(load("zoo-causal-200k"), {"own": suite}, ["other"], store=store)
    equal = read_suite(suite_file(tmp_path, "(3;%good%) = (3;%bad%)"))
    with pytest.raises(BrainLensError, match="every prediction asks two surprisals to be equal"):
        evaluate(load("zoo-causal-200k"), {"own": equal}, store=store)


# ---- minimal pairs --------------------------------------------------------------------------------------------------
def test_pairs_in_the_form_of_blimp_are_judged_by_whole_sentences(tmp_path, store):
    rows = [
        {"sentence_good": "The dog is here.", "sentence_bad": "The dog are here.", "UID": "agreement", "pairID": "0"},
        {"sentence_good": "She was there.", "sentence_bad": "She were there.", "UID": "agreement", "pairID": "1"},
        {"sentence_good": "He saw the house.", "sentence_bad": "He the saw house.", "UID": "order", "pairID": "0"},
    ]  # fmt: skip
    (tmp_path / "agreement.jsonl").write_text("\n".join(json.dumps(one) for one in rows))
    model = load("zoo-causal-200k")
    found = judge(model, minimal_pairs(tmp_path), store=store)
    for row in found.pairs.itertuples():
        good, bad = (float(one.nats.sum()) for one in model.surprisal([row.good, row.bad]))
        assert row.gain == pytest.approx(bad - good, abs=1e-3) and row.right == (bad > good)
    order = found.sets.set_index("set").loc["order"]
    assert order["accuracy"] == 1.0 == order["high"] and order["low"] < 0.5  # one pair tells little
    assert found.accuracy == pytest.approx(found.sets["accuracy"].mean())
    assert found.low <= found.accuracy <= found.high


@pytest.mark.parametrize(
    "table,match",
    [
        ({"good": ["a"], "worse": ["b"]}, "no column bad"),
        (
            {"good": ["a", "b c"], "bad": ["b", "b c"]},
            "1 pair with two equal sentences, first: row 2",
        ),
    ],
)
def test_pairs_that_are_none_are_named(tmp_path, table, match):
    pd.DataFrame(table).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(BrainLensError, match=match):
        minimal_pairs(tmp_path / "p.csv")


def test_a_cell_without_words_is_told_in_pairs_and_in_tables(tmp_path):
    (tmp_path / "p.csv").write_text("good,bad\nThe dogs bark.,\n,It are.\nSo it is.,So it are.\n")
    with pytest.raises(BrainLensError, match="2 pairs with an empty sentence, first: row 1"):
        minimal_pairs(tmp_path / "p.csv")
    (tmp_path / "t.csv").write_text("text,label\nOne.,a\n,b\nTwo.,b\n")
    with pytest.raises(BrainLensError, match="An empty sentence or no label: 1 row,"):
        labelled_table(tmp_path / "t.csv")


def test_a_head_names_the_rows_it_has_and_those_it_needs():
    with pytest.raises(BrainLensError, match=r"4 rows to train on, with 2 labels.*15 in all"):
        fit_head(np.eye(4), np.array(list("abab")))


# ---- the head -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("classes", [2, 3])
def test_softmax_regression_is_that_of_scikit_learn(classes):
    x = RNG.standard_normal((150, 12)) * np.linspace(1, 9, 12) + 3
    y = (x[:, :classes] + RNG.standard_normal((150, classes))).argmax(axis=1)
    penalty = 0.03
    head = fit_head(x, y, penalties=(penalty,))
    peer = LogisticRegression(C=1 / (penalty * len(x)), max_iter=5000, tol=1e-10)
    z = StandardScaler().fit_transform(x)
    if (
        classes == 2
    ):  # two columns of weights share what a single one would have: half the penalty each
        peer.set_params(C=2 / (penalty * len(x)))
    peer.fit(z, y)
    assert (head.predict(x) == peer.predict(z)).mean() > 0.99
    scores = z @ head.weights[:-1] + head.weights[-1]
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert share == pytest.approx(peer.predict_proba(z), abs=2e-3)


def test_ridge_for_numbers_is_that_of_scikit_learn_in_both_forms():
    for width in (8, 90):
        x, y = RNG.standard_normal((60, width)), RNG.standard_normal(60)
        peer = Ridge(0.2 * 60).fit(StandardScaler().fit_transform(x), y)
        head = fit_head(x, y, numeric=True, penalties=(0.2,))
        assert head.predict(x) == pytest.approx(peer.predict(StandardScaler().fit_transform(x)))


def test_the_measures_are_those_of_scikit_learn():
    y, p = RNG.integers(0, 2, 80), RNG.integers(0, 2, 80)
    assert measured("matthews", y, p) == pytest.approx(matthews_corrcoef(y, p))
    assert measured("f1", y, p) == pytest.approx(f1_score(y, p))
    y, p = RNG.integers(0, 4, 80), RNG.integers(0, 4, 80)
    assert measured("macro-f1", y, p) == pytest.approx(f1_score(y, p, average="macro"))
    assert measured("matthews", y == 0, np.zeros(80)) == 0 == measured("pearson", y, np.ones(80))


@pytest.mark.parametrize("n", [19, 23, 24, 28, 38, 40])
def test_an_interval_of_none_or_all_ends_at_the_end(n):
    low, high = share_interval(np.zeros(n))
    assert low == 0 and high == pytest.approx(3.8415 / (n + 3.8415), abs=1e-4)
    assert share_interval(np.ones(n)) == (pytest.approx(1 - high), 1.0)
    low, high = share_interval(np.r_[np.ones(3), np.zeros(n - 3)])
    assert 0 < low < 3 / n < high < 1


def test_the_mean_over_sets_has_an_interval_where_all_are_solved_and_covers():
    alone = share_interval(np.ones(8))
    assert mean_interval([1.0], alone[:1], alone[1:]) == alone and alone[0] < 0.7
    assert mean_interval([1.0, np.nan], [alone[0], np.nan], [1.0, np.nan]) == alone
    both = mean_interval([1.0, 1.0], [alone[0]] * 2, [1.0, 1.0])
    assert both[0] == pytest.approx(1 - (1 - alone[0]) / np.sqrt(2)) and both[1] == 1.0
    rng, truth = np.random.default_rng(0), np.array([0.95, 0.8, 0.5])
    held = []
    for _ in range(2000):
        drawn = [rng.random(12) < p for p in truth]
        ends = np.array([share_interval(one.astype(float)) for one in drawn])
        low, high = mean_interval([one.mean() for one in drawn], ends[:, 0], ends[:, 1])
        held.append(low <= truth.mean() <= high)
    assert 0.93 < np.mean(held) < 0.98


# ---- GLUE and tables of one's own -----------------------------------------------------------------------------------
WORDS = [
    "the",
    "a",
    "old",
    "young",
    "man",
    "woman",
    "dog",
    "house",
    "sees",
    "likes",
    "finds",
    "near",
    "big",
    "small",
    "red",
]


def sentences(count: int, rng) -> list[str]:
    return [" ".join(rng.choice(WORDS, 5)) + "." for _ in range(count)]


def write_glue(folder, name: str, rng, rows=60):
    """Small files as they are on the hub: names, columns and types of nyu-mll/glue."""
    how = GLUE[name]
    for part in ("train", *how.development):
        texts = {column: sentences(rows, rng) for column in how.columns}
        first = texts[how.columns[0]]
        label = [float("dog" in t) * 5 for t in first] if how.numeric else [int("dog" in t) for t in first]  # fmt: skip
        if name == "mnli":
            label = [
                one + 2 * ("red" in t and not one) for one, t in zip(label, first, strict=True)
            ]
        table = pd.DataFrame({**texts, "label": label, "idx": np.arange(rows, dtype="int32")})
        (folder / name).mkdir(exist_ok=True)
        table.to_parquet(folder / name / f"{part}-00000-of-00001.parquet", index=False)


@pytest.mark.parametrize("name", GLUE)
def test_every_glue_set_is_read_from_the_hubs_layout_and_scored_by_its_own_measure(
    tmp_path, store, name
):
    write_glue(tmp_path, name, np.random.default_rng(1))
    task = glue(name.upper(), tmp_path)
    found = probe(load("zoo-causal-200k"), task, MEAN, layer=0, seeds=1, store=store)
    assert [c for c in found.table if c in (*GLUE[name].metrics,)] == list(GLUE[name].metrics)
    assert set(found.table["part"]) == set(GLUE[name].development)
    assert found.score > found.majority  # the label is in the words


HEADERS = {
    "sst2": "sentence label",
    "mrpc": "Quality|#1 ID|#2 ID|#1 String|#2 String",
    "stsb": "index genre filename year old_index source1 source2 sentence1 sentence2 score",
    "qqp": "id qid1 qid2 question1 question2 is_duplicate",
    "mnli": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse "
    "sentence1 sentence2 label1 gold_label",
    "qnli": "index question sentence label",
    "rte": "index sentence1 sentence2 label",
}  # fmt: skip


PLACES = {
    "mrpc": ("#1 String", "#2 String", "Quality"),
    "mnli": ("sentence1", "sentence2", "gold_label"),
    "stsb": ("sentence1", "sentence2", "score"),
    "qqp": ("question1", "question2", "is_duplicate"),
}
WORDS_OF = {"mnli": ("entailment", "neutral", "contradiction")} | dict.fromkeys(
    ("qnli", "rte"), ("entailment", "not_entailment")
)


def write_released(folder, name: str):
    """The same tables as the benchmark gives them out, with a quote that ends nowhere and, in one row, no second question."""
    how = GLUE[name]
    header = HEADERS.get(name, "source label mark sentence")
    names = header.split("|" if "|" in header else " ")
    places = PLACES.get(name, (*how.columns, "label"))
    (folder / how.released.folder).mkdir()
    for part in ("train", *how.development):
        file = folder / name / f"{part}-00000-of-00001.parquet"
        table = pd.read_parquet(file)
        table.loc[3, how.columns[0]] = '"But why, he said'
        table.to_parquet(file)
        lines = [] if name == "cola" else [names]
        for row in table.to_dict("records"):
            label = WORDS_OF[name][row["label"]] if name in WORDS_OF else str(row["label"])
            told = dict(zip(places, (*(row[one] for one in how.columns), label), strict=True))
            lines.append([told.get(one, "x") for one in names])
        if name == "qqp" and part == "train":
            lines.append(lines[-1][:4])
        text = "".join("\t".join(line) + "\n" for line in lines)
        inside = folder / how.released.folder / f"{part.replace('validation', 'dev')}.tsv"
        inside.write_text(text, encoding="utf-8-sig" if name == "mrpc" else "utf-8")


@pytest.mark.parametrize("name", GLUE)
def test_the_benchmarks_own_files_say_the_same_as_the_hubs(tmp_path, name):
    write_glue(tmp_path, name, np.random.default_rng(1), rows=12)
    write_released(tmp_path, name)
    hub = glue(name, tmp_path)
    shutil.rmtree(tmp_path / name)
    own = glue(name, tmp_path)
    assert own.left_out == (name == "qqp") and hub.left_out == 0
    for part, table in {"train": hub.train, **hub.tests}.items():
        pd.testing.assert_frame_equal({"train": own.train, **own.tests}[part], table)


def test_files_of_the_benchmark_without_labels_or_with_other_columns_are_named(tmp_path):
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE" / "train.tsv").write_text("index\tsentence1\tsentence2\n0\tOne.\tTwo.\n")
    with pytest.raises(BrainLensError, match="no column label"):
        glue("rte", tmp_path)
    for part in ("train", "dev"):
        (tmp_path / "RTE" / f"{part}.tsv").write_text(
            "index\tsentence1\tsentence2\tlabel\n0\tOne.\tTwo.\t-\n"
        )
    with pytest.raises(BrainLensError, match="1 of 1 rows of train"):
        glue("rte", tmp_path)


def test_the_probe_is_a_pipeline_of_scikit_learn_on_the_models_features(tmp_path, store):
    write_glue(tmp_path, "sst2", np.random.default_rng(2), rows=80)
    task, model = glue("sst2", tmp_path), load("zoo-causal-200k")
    found = probe(model, task, layer=1, seeds=1, store=store)
    penalty = found.table["penalty"].iloc[0]

    def read(texts):
        return sentence_features(model, texts, 1, preset("defended"), store=store)

    scale = StandardScaler().fit(features_of(task.train, read))
    peer = LogisticRegression(C=2 / (penalty * 80), max_iter=10000, tol=1e-9)
    peer.fit(scale.transform(features_of(task.train, read)), task.train["label"])
    test = task.tests["validation"]
    wanted = peer.score(scale.transform(features_of(test, read)), test["label"])
    assert found.score == pytest.approx(wanted, abs=1.5 / 80)


def test_faults_of_a_glue_folder_are_named(tmp_path):
    with pytest.raises(BrainLensError, match="GLUE set"):
        glue("wnli", tmp_path)
    with pytest.raises(BrainLensError, match=r"There is no .*rte.*train-00000-of-00001.parquet"):
        glue("rte", tmp_path)
    write_glue(tmp_path, "rte", RNG, rows=12)
    file = tmp_path / "rte" / "validation-00000-of-00001.parquet"
    pd.read_parquet(file).assign(label=-1).to_parquet(file)
    with pytest.raises(BrainLensError, match="hidden labels"):
        glue("rte", tmp_path)
    pd.read_parquet(file).drop(columns="sentence2").to_parquet(file)
    with pytest.raises(BrainLensError, match="has no column sentence2"):
        glue("rte", tmp_path)
    file.rename(tmp_path / "rte" / "validation-00000-of-00002.parquet")
    with pytest.raises(BrainLensError, match="has 1 of 2 files of validation"):
        glue("rte", tmp_path)


def test_a_server_reads_no_file_for_others_that_is_not_its_own(tmp_path, monkeypatch):
    """A link may name a task; on a server only files of its data folders."""
    table = {"text": ["a", "b"], "label": ["x", "y"], "good": ["a b", "c"], "bad": ["b a", "d"]}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    assert len(labelled_table(tmp_path / "t.csv").train) == len(minimal_pairs(tmp_path)) == 2
    monkeypatch.setenv("BRAINLENS_SERVED", "1")
    for ask, name in ((labelled_table, "t.csv"), (minimal_pairs, "t.csv"), (minimal_pairs, "")):
        with pytest.raises(BrainLensError, match=r"There is no file|ends in one of these"):
            ask(tmp_path / name)


def test_a_table_of_ones_own_may_call_its_texts_as_glue_does(tmp_path):
    rows = pd.DataFrame({"sentence1": ["a b", "c d"], "sentence2": ["e", "f"], "label": [0, 1]})
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    rows[["sentence1", "label"]].rename(columns={"sentence1": "sentence"}).to_csv(
        tmp_path / "one.csv", index=False
    )
    pairs, one = (labelled_table(tmp_path / f"{name}.csv") for name in ("pairs", "one"))
    assert pairs.train["first"].tolist() == one.train["first"].tolist() == ["a b", "c d"]
    assert pairs.train["second"].tolist() == ["e", "f"]


def test_a_table_of_ones_own_is_cross_validated_with_its_majority_baseline(tmp_path, store):
    rng = np.random.default_rng(3)
    texts = sentences(90, rng)
    label = ["animal" if "dog" in t else "none" for t in texts]
    pd.DataFrame({"text": texts, "label": label}).to_csv(tmp_path / "mine.csv", index=False)
    task = labelled_table(tmp_path / "mine.csv")
    found = probe(load("zoo-causal-200k"), task, MEAN, layer=0, seeds=2, store=store)
    share = max(label.count("none"), label.count("animal")) / 90
    assert task.metrics == ("accuracy", "macro-f1") and found.table["accuracy"].min() > share
    assert (
        found.majority < found.score
        and len(found.table) == 2
        and found.low <= found.score <= found.high
    )
    pd.DataFrame({"text": texts, "label": rng.standard_normal(90)}).to_csv(
        tmp_path / "n.csv", index=False
    )
    assert labelled_table(tmp_path / "n.csv").numeric
    pd.DataFrame({"text": texts, "label": label, "split": ["dev"] * 90}).to_csv(tmp_path / "s.csv", index=False)  # fmt: skip
    with pytest.raises(BrainLensError, match="value of split"):
        labelled_table(tmp_path / "s.csv")
    pd.DataFrame({"text": texts, "label": ["x"] * 90}).to_csv(tmp_path / "o.csv", index=False)
    with pytest.raises(BrainLensError, match="every row has the label 'x'"):
        labelled_table(tmp_path / "o.csv")
