"""Pairs of results as two people make them: files of their own under other names, folders of models, options."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.answers.difference import Record, compare_results, record_of
from analysis.models import load
from dashboards.command.cli import main
from data.catalog.catalog import recording

QUICK = preset("defended").but(
    seeds=1, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(10.0, 1000.0), unique=False, controls=(),
    ceiling="none", shuffled_twin=False,
)  # fmt: skip
WORDS = ["dog", "tree", "river", "stone", "lamp", "road", "house", "bird", "child", "wind"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same file five times: as it is, with one value changed, turned, without one person, and without one passage."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(3)
    rows = [f"The {a} and the {b} stand by the {c}." for a, b, c in rng.choice(WORDS, (48, 3))]
    table = pd.DataFrame({"text": rows, "passage": np.repeat([f"p{i:02}" for i in range(12)], 4)})
    for person in ("ann", "bob", "cleo"):
        table[f"rt_{person}"] = rng.normal(400, 60, 48).round(1)
    changed = table.copy()
    changed.loc[7, "rt_bob"] += 55
    turned = pd.concat(
        [table[table["passage"] == one] for one in reversed(table["passage"].unique())]
    )
    made = {
        "base": table,
        "data file": changed,
        "row order": turned,
        "people left out": table.drop(columns="rt_cleo"),
        "rows left out": table[table["passage"] != "p03"],
    }
    for name, one in made.items():
        path = folder / f"my {name}.csv"
        one.to_csv(path, index=False)
        said = {"text": "text", "responses": "rt_{subject}", "group": "passage", "context": "passage", "kind": "reading_times",
                "unit": "ms"}  # fmt: skip
        (folder / f"{path.name}.brainlens.json").write_text(json.dumps(said))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model, the same with another tokenizer, and with other weights, in folders of other names."""
    import torch
    from safetensors.torch import load_file, save_file

    source, made = load("zoo-causal-200k").folder, {}
    for name in ("base", "tokenizer", "model revision"):
        made[name] = tmp_path_factory.mktemp("models") / f"lm {name}"
        shutil.copytree(source, made[name])
    path = made["tokenizer"] / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"comment": "another"}))
    (path,) = made["model revision"].glob("*.safetensors")
    weights = load_file(path)
    save_file(
        {k: v + 0.01 * torch.ones_like(v) for k, v in weights.items()}, path, {"format": "pt"}
    )
    return made


def _score(files, folders, what=""):
    data = (
        what if what in ("data file", "row order", "people left out", "rows left out") else "base"
    )
    model = what if what in folders else "base"
    on = recording(files / f"my {data}.csv")
    protocol = QUICK.but(
        **{"pooling": {"pooling": "mean"}, "start token": {"start": "tokenizer"}}.get(what, {})
    )
    layers = ["1"] if what == "layer choice" else None
    return score(str(folders[model]), on, protocol, layers=layers)


@pytest.mark.parametrize(
    "what",
    (
        "data file",
        "row order",
        "people left out",
        "rows left out",
        "tokenizer",
        "model revision",
        "pooling",
        "start token",
        "layer choice",
    ),
)
def test_files_and_folders_of_other_names_are_no_cause(what, files, folders):
    first, second = (record_of(_score(files, folders, one)) for one in ("", what))
    answer = compare_results(first, second)
    assert answer.facts["causes"] == [what], answer.frame.to_string()
    assert answer.frame["what"].iloc[0] == what


def test_fewer_rows_are_known_by_a_sketch_of_many():
    """Of 1,000 rows the 48 smallest hashes are kept: any part of them is one, and a part with other values is none."""
    rng = np.random.default_rng(0)
    rows = [f"{one:012x}" for one in rng.choice(16**12, 1000, replace=False)]

    def record(some):
        about = {"n_stimuli": len(some), "rows_sketch": sorted(some)[:48], "id": str(len(some))}
        about |= {
            name: str(hash(tuple(some))) for name in ("rows_hash", "texts_hash", "order_hash")
        }
        return Record("one", 0.1, {"recording": about, "protocol": {"folds": 5}})

    for kept in (990, 700, 300):
        told = compare_results(record(rows), record(rows[:kept])).facts["causes"]
        assert told == ["rows left out"]
        assert compare_results(record(rows[:kept]), record(rows)).facts["causes"] == told
    others = [f"{one:012x}" for one in rng.choice(16**12, 700, replace=False)]
    assert compare_results(record(rows), record(others)).facts["causes"] == ["recording"]


def test_the_command_says_which_field_each_row_of_one_cause_is(monkeypatch):
    sides = {
        name: Record(name, r, {"model": {"width": width, "layers": layers}, "protocol": {"pooling": how}})
        for name, r, width, layers, how in (("a", 0.1, 64, 3, "last"), ("b", 0.2, 40, 2, "mean"))
    }  # fmt: skip
    monkeypatch.setattr("dashboards.command.capsule._record", sides.get)
    said = CliRunner().invoke(main, ["results", "diff", "a", "b"]).output
    assert "model: width" in said and "model: layers" in said and "pooling:" not in said


def test_the_command_splits_a_file_and_a_choice(files, tmp_path, clean_home):
    invoke = CliRunner().invoke
    sets = ["--set", "seeds=1", "--set", "folds=3", "--set", "inner_folds=2", "--set", "bootstrap=20", "--set", "criterion=gcv",
            "--set", "alphas=10,1000", "--set", "unique=false", "--set", "controls=", "--set", "ceiling=none",
            "--set", "shuffled_twin=false"]  # fmt: skip
    paths = [str(files / f"my {name}.csv") for name in ("base", "data file")]
    for name, path, more in (("a", paths[0], []), ("b", paths[1], ["--set", "pooling=sum"])):
        zipped = ["-o", str(tmp_path / f"{name}.zip"), "--no-predictions"]
        done = invoke(
            main, ["results", "capsule", "zoo-glove-64d", "--on", path, *sets, *more, *zipped]
        )
        assert done.exit_code == 0, done.output
    pair = [str(tmp_path / "a.zip"), str(tmp_path / "b.zip")]
    told = invoke(main, ["results", "diff", *pair])
    assert "Suspect first: data file; then pooling" in told.output
    split = invoke(
        main, ["results", "diff", *pair, "--split", "--on", paths[0], "--on-second", paths[1]]
    )
    assert split.exit_code == 0, split.output
    assert (
        "Order: a.zip, then data file, then pooling" in split.output
        and "as it comes out here" not in split.output
    )


def test_a_filter_is_named_first_and_split_from_a_choice(tmp_path, clean_home):
    """The same times, once as they are and once with those beyond 100 and 3000 ms left out, by --filter."""
    rng, words = np.random.default_rng(8), 60 * ["the", "dog", "saw", "a", "tree."]
    times = rng.normal(400, 60, len(words)).round(1)
    times[::23] = 5000.0
    table = pd.DataFrame({"text": words, "story": np.repeat(np.arange(12), 25), "rt": times})
    path = tmp_path / "times.csv"
    table.to_csv(path, index=False)
    said = {"text": "text", "responses": "rt", "group": "story", "context": "story", "kind": "reading_times", "unit": "ms",
            "averaged": True}  # fmt: skip
    (tmp_path / "times.csv.brainlens.json").write_text(json.dumps(said))
    flat = {
        k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in QUICK.changes().items()
    }
    sets = [part for name, value in flat.items() for part in ("--set", f"{name}={value}")]
    given, pair = ["zoo-glove-64d", "--on", str(path), *sets], []
    for name, more in (("a", []), ("b", ["--filter", "times-only", "--set", "pooling=sum"])):
        pair.append(str(tmp_path / f"{name}.zip"))
        done = CliRunner().invoke(
            main, ["results", "capsule", *given, *more, "-o", pair[-1], "--no-predictions"]
        )
        assert done.exit_code == 0, done.output
    told = CliRunner().invoke(main, ["results", "diff", *pair, "--split", "--on", str(path)])
    assert told.exit_code == 0, told.output
    assert "Suspect first: filter; then pooling" in told.output
    assert "Order: a.zip, then filter, then pooling" in told.output
    assert "as it comes out here" not in told.output
    with zipfile.ZipFile(pair[-1]) as opened:
        assert "filter='times-only'" in opened.read("reproduce.py").decode()
