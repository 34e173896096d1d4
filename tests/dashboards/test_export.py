"""What leaves the page."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dashboards.figures import export, paper
from dashboards.figures.spec import FigureSpec, Mark
from data.errors import BrainLensError
from tests.figures import layers_spec, make_spec


def unzip(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def everything():
    spec = layers_spec()
    recipe = {
        "protocol": {"name": "defended", "alphas": (1.0, 10.0)},
        "r": np.float64(0.5),
        "ceiling": float("nan"),
        "layers": np.arange(3),
    }
    table = spec.marks[0].frame
    files = {"table": table, "recipe": recipe, "bibtex": "@misc{a,\n}", "methods": "A model was compared.", "python": "print(1)",
             "long": table, "r_script": "library(lme4)", "name": "Layers of GPT-2?"}  # fmt: skip
    return spec, files, export.bundle(spec, **files)


def test_the_zip_holds_everything(everything):
    names = set(unzip(everything[2]))
    stem = "layers-of-gpt-2"
    own = {
        f"{stem}{end}"
        for end in (".pdf", ".svg", ".png", ".csv", ".parquet", "_figure.csv", ".py", ".R")
    }
    assert names == {
        f"{stem}/{path}"
        for path in own
        | {"long.csv", "recipe.json", "caption.txt", "references.bib", "methods.txt"}
    }


def test_csv_and_parquet_equal_the_table(everything):
    spec, files, data = everything
    found = unzip(data)
    csv = pd.read_csv(io.BytesIO(found["layers-of-gpt-2/layers-of-gpt-2.csv"]))
    parquet = pd.read_parquet(io.BytesIO(found["layers-of-gpt-2/layers-of-gpt-2.parquet"]))
    for table in (csv, parquet):
        pd.testing.assert_frame_equal(
            table.drop(columns="stamp"), files["table"].reset_index(drop=True), check_dtype=False
        )
    drawn = pd.read_csv(io.BytesIO(found["layers-of-gpt-2/layers-of-gpt-2_figure.csv"]))
    assert len(drawn) == len(spec.table) == 45


def test_every_file_of_simulated_data_says_so(everything):
    for name, data in unzip(everything[2]).items():
        if name.endswith(".parquet"):
            assert set(pd.read_parquet(io.BytesIO(data))["stamp"]) == {"simulated data"}
        else:
            assert b"simulated data" in data.lower(), name


def test_nothing_is_stamped_without_a_stamp():
    spec = make_spec("bars")
    found = unzip(export.bundle(spec, methods="Words."))
    assert "stamp" not in pd.read_csv(io.BytesIO(found["brainlens/brainlens.csv"]))
    assert found["brainlens/methods.txt"] == b"Words.\n"
    assert not any(name.endswith((".py", ".R", ".bib")) for name in found)


def test_every_panel_of_a_sheet_has_its_caption():
    panels = [make_spec("bars", caption=f"Caption {n}.") for n in range(14)]
    found = unzip(export.bundle(panels[0], panels=panels, width_mm=174, height_mm=400, dpi=40))
    words = found["brainlens/caption.txt"].decode()
    assert all(f"Caption {n}." in words for n in range(14)) and "\n\nN. " in words


def test_a_sheet_s_files_say_what_all_its_panels_show():
    specs = [make_spec("bars", answer=f"Answer {n}.", caption="", stamp="") for n in range(2)]
    other = replace(specs[1], title="Other?", stamp="simulated data")
    found = unzip(export.bundle(specs[0], panels=[specs[0], other], width_mm=174, dpi=40))
    svg = found["brainlens/brainlens.svg"].decode()
    assert "A. Answer 0. B. Answer 1." in svg
    assert f"{specs[0].title}; Other? [simulated data]" in svg
    alone = export.marks_of(specs[0], None)["numbers"]
    assert alone not in svg and export.marks_of(specs[0], None, [specs[0], other])["numbers"] in svg


def test_the_caption_says_which_rows_of_a_long_ranking_are_not_on_the_page():
    frame = pd.DataFrame(
        {"entry": [f"model {n}" for n in range(90)], "r": np.linspace(0.5, 0.1, 90)}
    )
    spec = FigureSpec(
        "Which?", (Mark("points", frame, "entry", "r"),), caption="Held out.", horizontal=True
    )
    for how, cut in (({"width_mm": 85}, True), ({"width_mm": 85, "height_mm": 900}, False)):
        found = unzip(export.bundle(spec, dpi=40, **how))
        words = found["brainlens/caption.txt"].decode()
        shown, whole = paper.rows_drawn(spec, **how)
        said = (
            f"Held out. The figure shows the first {shown} of 90 rows; the table has all of them."
        )
        assert whole == 90 and (said in words) == (shown < 90) == cut
        assert len(pd.read_csv(io.BytesIO(found["brainlens/brainlens.csv"]))) == 90


def test_the_recipe_is_strict_json(everything):
    recipe = json.loads(
        unzip(everything[2])["layers-of-gpt-2/recipe.json"],
        parse_constant=lambda name: pytest.fail(name),
    )
    assert (
        recipe["protocol"]["alphas"] == [1.0, 10.0]
        and recipe["r"] == 0.5
        and recipe["ceiling"] is None
        and recipe["layers"] == [0, 1, 2]
    )
    assert (
        recipe["figure"]["answer"] == "gpt2's layer 4 of 6 predicts."
        and recipe["figure"]["stamp"] == "simulated data"
    )
    assert recipe["size"]["width_mm"] == 85


def test_the_same_view_gives_the_same_zip(everything):
    spec, files, data = everything
    assert export.bundle(spec, **files) == data


def test_the_code_in_the_zip_still_runs(everything):
    printed = []
    exec(
        compile(unzip(everything[2])["layers-of-gpt-2/layers-of-gpt-2.py"], "made", "exec"),
        {"print": printed.append},
    )
    assert printed == [1]


def test_parquet_takes_columns_of_mixed_kinds():
    table = pd.DataFrame({"layer": [1, "last", None], "r": [0.1, 0.2, 0.3]})
    assert pd.read_parquet(io.BytesIO(export.parquet(table)))["layer"].tolist()[:2] == ["1", "last"]


def test_the_preview_is_a_picture_twice_as_fine_as_a_screen():
    from matplotlib.image import imread

    image = imread(io.BytesIO(export.preview(make_spec("bars"), width_mm=85, height_mm=50)))
    assert image.shape[1] == int(85 / 25.4 * export.PREVIEW_DPI)


def test_save_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "figure.pdf"
    assert export.save(b"old", path) == path
    monkeypatch.setattr(export.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        export.save(b"new", path)
    assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == [
        "figure.pdf"
    ]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path, seen, stop = tmp_path / "data.csv", set(), threading.Event()
    export.save(b"a" * 300_000, path)

    def read():
        while not stop.is_set():
            seen.add((len(data := path.read_bytes()), data[:1], data[-1:]))

    reader = threading.Thread(target=read)
    reader.start()
    for letter in (b"b", b"c", b"d"):
        export.save(letter * 300_000, path)
    stop.set()
    reader.join()
    assert all(size == 300_000 and first == last for size, first, last in seen)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BrainLensError, match=r"There is no folder '.*nowhere'.*Make it first"):
        export.save(b"x", tmp_path / "nowhere" / "figure.pdf")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("gpt2 @ Pereira 2018?", "gpt2-pereira-2018"),
        ("../../etc/passwd", "etc-passwd"),
        ("???", "brainlens"),
    ],
)
def test_file_names(words, name):
    assert export.file_name(words) == name
