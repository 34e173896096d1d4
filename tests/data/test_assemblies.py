"""Public assemblies: every layout, every writer, every broken invariant."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.catalog import catalog
from data.errors import BrainLensError
from data.own.netcdf import open_array
from data.readers import assemblies

spec = importlib.util.spec_from_file_location(
    "assembly_files", Path(__file__).with_name("assembly_files.py")
)
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)

FACTS = {"id": "x", "citation": "", "licence": "", "source": ""}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    "writer", [files.write_new, files.write_2022, lambda a, p: files.write_new(a, p, "netcdf4")]
)
@pytest.mark.parametrize("name", sorted(files.MAKERS))
def test_every_layout_by_every_writer(tmp_path, rng, name, writer):
    array = files.MAKERS[name](rng)
    path = writer(array, tmp_path / "a.nc")
    reader = getattr(assemblies, catalog.entry(name).reader.split(":")[1])
    recording = reader(path, **FACTS)
    assert recording.n_stimuli == array.sizes["presentation"]
    rows = {str(name): row for row, name in enumerate(array["stimulus_id"].values)}
    np.testing.assert_array_equal(
        recording.responses.values, array.values[[rows[name] for name in recording.stimuli.index]]
    )
    assert recording.texts[0] == str(recording.stimuli["text"].iloc[0])


def test_pereira_roles_and_experiments(tmp_path, rng):
    path = files.write_2022(files.pereira(rng), tmp_path / "p.nc")
    both = assemblies.pereira2018(path, **FACTS)
    assert (both.context, both.group, both.within) == ("passage", "story", "experiment")
    assert both.column("paper_context").tolist() == both.stimuli["story"].tolist()
    assert len(set(both.column("passage"))) == 8 and len(set(both.column("topic"))) == 4
    assert sorted(set(both.subjects)) == ["018", "288", "296"]
    assert {"region", "network", "filter_strategy", "col_to_coord_1"} <= set(both.responses.coords)
    assert both.responses["filter_strategy"].values[1] == "HminusE"
    one = assemblies.pereira2018(path, experiment="243sentences", **FACTS)
    assert one.n_stimuli == 12 and sorted(set(one.subjects)) == ["018", "288"]
    assert any("4 targets without a measurement" in note for note in one.notes)
    with pytest.raises(BrainLensError, match="did you mean '243sentences'"):
        assemblies.pereira2018(path, experiment="243sentence", **FACTS)


def test_dereferenced_sentences_are_flagged(tmp_path, rng):
    recording = assemblies.pereira2018(
        files.write_new(files.pereira(rng), tmp_path / "p.nc"), **FACTS
    )
    assert recording.stimuli.index[recording.stimuli["dereferenced"]].tolist() == ["384sentences.5"]
    assert len(set(assemblies.DEREFERENCED)) == 49


def test_upper_case_is_recased_and_kept(tmp_path, rng):
    recording = assemblies.fedorenko2016(
        files.write_new(files.fedorenko(rng), tmp_path / "f.nc"), **FACTS
    )
    assert " ".join(recording.texts[:8]) == "Alex was tired so he took a nap"
    assert " ".join(recording.texts[8:]) == "Then I saw that I'm late again today"
    assert recording.stimuli["shown"].iloc[0] == "ALEX" and recording.scored_unit == "word"
    assert recording.subjects.tolist() == ["1", "1", "1", "2", "2"]


def test_silent_volumes_and_missing_readers(tmp_path, rng):
    story = assemblies.blank2014(files.write_2022(files.blank(rng), tmp_path / "b.nc"), **FACTS)
    assert story.texts[2] == "..." and any(
        "1 volumes without a word" in note for note in story.notes
    )
    assert story.responses["region"].values.tolist() == ["01_LH_PostTemp", "03_LH_IFG"] * 2
    assert set(story.responses["network"].values) == {"language"}
    reading = assemblies.futrell2018(
        files.write_2022(files.futrell(rng), tmp_path / "r.nc"), **FACTS
    )
    assert (
        reading.subjects.tolist() == ["A1", "B2", "C3"]
        and int(np.isnan(reading.responses).sum()) == 5
    )
    assert reading.stimuli["sentence"].tolist() == ["1.1"] * 3 + ["1.2"] * 2 + ["2.3"] * 5


def test_stories_are_read_in_the_order_in_which_they_were_heard(tmp_path, rng):
    array = files.blank(rng)
    assert array["stimulus_id"].values[4] == "Aqua.10.0"  # a file in the order of its ids
    story = assemblies.blank2014(files.write_new(array, tmp_path / "b.nc"), **FACTS)
    assert story.stimuli.index.tolist()[:6] == [
        "Aqua.0.0",
        "Aqua.0.1",
        "Aqua.0.2",
        "Aqua.1.0",
        "Aqua.2.0",
        "Aqua.3.0",
    ]
    assert story.texts[4:14] == [f"This is sentence {number}." for number in range(2, 12)]
    assert story.stimuli["timepoint_value"].is_monotonic_increasing and story.stimuli[
        "position"
    ].tolist() == [*range(14), 0, 1]
    np.testing.assert_array_equal(
        story.responses.values[4], array.values[array["stimulus_id"].values == "Aqua.2.0"][0]
    )
    assert any(
        "10 of 16 moved to the order in which they were heard" in note for note in story.notes
    )
    in_order = array.isel(presentation=np.argsort(array["timepoint_value"].values))
    again = assemblies.blank2014(files.write_new(in_order, tmp_path / "c.nc"), **FACTS)
    np.testing.assert_array_equal(again.responses.values, story.responses.values)
    assert again.texts == story.texts and not any("moved" in note for note in again.notes)


def test_ids_that_name_another_place_than_their_text_are_said(tmp_path, rng):
    array = files.blank(rng)
    ids = array["stimulus_id"].values.copy()
    ids[[0, 1]] = ids[[1, 0]]
    path = files.write_new(
        array.assign_coords(stimulus_id=("presentation", ids)), tmp_path / "b.nc"
    )
    notes = assemblies.blank2014(path, **FACTS).notes
    assert any(
        "2 ids name another place than the text of their row (first Aqua.0.1 at Aqua.0.0)" in note
        for note in notes
    )


@pytest.mark.parametrize(
    ("invariants", "message"),
    [
        ({"shape": (627, 13553)}, "shape is 24 x 12, expected 627 x 13553"),
        ({"nansum": 1935595.26}, "sum of the values is .* expected 1935595.26"),
        ({"unique": {"subject": 10}}, "number of distinct subject is 3, expected 10"),
        ({"counts": {"subject": (5, 7)}}, r"rows by subject is \[4, 4, 4\], expected \[5, 7\]"),
        (
            {"first": {"sentence": "Alex"}},
            "first sentence is beekeeping 1 has sentence 0., expected Alex",
        ),
        ({"max": (100.0, 101.0)}, "largest value is"),
        ({"dims": ("presentation", "time")}, "dims is"),
        ({"counts": {"roi": (1,) * 30}}, r"rows by roi is \[6, 6\], expected 30 of 1 to 1"),
        (
            {"joined": {"sentence": ("stimulus_num", 0, "Alex")}},
            "sentence of stimulus_num 0 is 'beekeeping 1 .*expected 'Alex'",
        ),
        ({"unique": {"session": 2}}, "there is no coordinate 'session'"),
    ],
)
def test_a_broken_invariant_is_named_with_its_numbers(tmp_path, rng, invariants, message):
    path = files.write_new(files.pereira(rng), tmp_path / "p.nc")
    with pytest.raises(BrainLensError, match=message):
        assemblies.pereira2018(path, invariants=invariants, **FACTS)


def test_invariants_that_hold(tmp_path, rng):
    array = files.pereira(rng)
    holds = {
        "shape": (24, 12),
        "nansum": float(np.nansum(array)),
        "unique": {"subject": 3},
        "counts": {"subject": (4, 4, 4)},
    }
    path = files.write_new(array, tmp_path / "p.nc")
    assert assemblies.pereira2018(path, invariants=holds, **FACTS).n_targets == 12


def full(name: str, rng) -> xr.DataArray:
    """An array of the shape and facts of a published file, its values made up."""
    facts = catalog.entry(name).invariants
    rows, columns = facts["shape"]
    values = np.zeros((rows, columns))
    values[0, 0] = facts.get("nansum", 1.285)
    coords = {}
    if name == "pereira2018-language":
        coords = {"subject": ("neuroid", np.arange(columns) % 10)}
    elif name == "fedorenko2016-language":
        words = np.array(
            [
                "ALEX",
                "WAS",
                "TIRED",
                "SO",
                "HE",
                "TOOK",
                "A",
                "NAP",
                *(f"W{i % 247}" for i in range(rows - 8)),
            ]
        )
        coords = {
            "word": ("presentation", words),
            "sentence_id": ("presentation", np.repeat(np.arange(52), 8)),
            "word_num": ("presentation", np.tile(np.arange(8), 52)),
            "subject_UID": ("neuroid", np.repeat(np.arange(5), (47, 8, 9, 15, 18))),
        }
    elif name == "blank2014-froi":
        coords = {
            "stimulus": ("presentation", np.array([f"part {i}" for i in range(rows)])),
            "story": ("presentation", np.array([f"S{i}" for i in np.sort(np.arange(rows) % 8)])),
            "subject_id": ("neuroid", np.repeat(np.arange(5), 12)),
            "fROI_area": ("neuroid", np.tile([f"{i:02d}_LH" for i in range(12)], 5)),
        }
    elif name == "futrell2018":
        coords = {
            "word": ("presentation", np.full(rows, "word")),
            "story_id": ("presentation", np.sort(np.arange(rows) % 10)),
            "sentence_id": ("presentation", np.sort(np.arange(rows) % 481) + 1),
        }
    elif name == "tuckute2024-language":
        coords = {"stimulus": ("presentation", np.array([f"Sentence {i}." for i in range(rows)]))}
    other = "subject" if name == "futrell2018" else "neuroid"
    return xr.DataArray(values, dims=("presentation", other), coords=coords, name="data")


def changed(coordinate: str, at: int, value):
    """The array with one value of a coordinate changed."""

    def change(array):
        values = array[coordinate].values.copy()
        values[at] = value
        return array.assign_coords({coordinate: (array[coordinate].dims, values)})

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "pereira2018-language",
            lambda a: a.isel(presentation=slice(626)),
            "shape is 626 x 13553, expected 627 x 13553",
        ),
        (
            "pereira2018-language",
            lambda a: a + 1e-3,
            "sum of the values is 1944092.99.* expected 1935595.263162177",
        ),
        (
            "pereira2018-language",
            lambda a: a.assign_coords(subject=a["subject"] % 9),
            "distinct subject is 9, expected 10",
        ),
        (
            "pereira2018-auditory",
            lambda a: a.isel(neuroid=slice(5691)),
            "shape is 627 x 5691, expected 627 x 5692",
        ),
        (
            "pereira2018-auditory",
            lambda a: -a,
            "sum of the values is 257124.* expected -257124.1144940494",
        ),
        (
            "fedorenko2016-language",
            lambda a: a.isel(neuroid=slice(96)),
            "shape is 416 x 96, expected 416 x 97",
        ),
        (
            "fedorenko2016-language",
            changed("subject_UID", 0, 1),
            r"subject_UID is \[9, 9, 15, 18, 46\], expected \[8, 9, 15",
        ),
        (
            "fedorenko2016-language",
            changed("sentence_id", 415, 0),
            "rows by sentence_id is 52 of 7 to 9, expected 52 of 8 to 8",
        ),
        (
            "fedorenko2016-language",
            changed("word", 415, "NEW"),
            "number of distinct word is 256, expected 255",
        ),
        (
            "fedorenko2016-language",
            changed("word", 7, "W1"),
            "0 is 'ALEX .* A W1', expected 'ALEX WAS TIRED SO HE TOOK A NAP'",
        ),
        (
            "blank2014-froi",
            lambda a: a.isel(presentation=slice(1316)),
            "shape is 1316 x 60, expected 1317 x 60",
        ),
        ("blank2014-froi", changed("story", 0, "S8"), "number of distinct story is 9, expected 8"),
        (
            "blank2014-froi",
            changed("subject_id", 0, 4),
            r"subject_id is \[11, 12, 12, 12, 13\], expected \[12, 12, 12, 12, 12\]",
        ),
        (
            "blank2014-froi",
            changed("fROI_area", 0, "01_LH"),
            r"fROI_area is \[4, 5, .*6\], expected \[5, 5, .*5\]",
        ),
        (
            "futrell2018",
            lambda a: a.isel(subject=slice(179)),
            "shape is 10256 x 179, expected 10256 x 180",
        ),
        (
            "futrell2018",
            lambda a: a.rename(subject="neuroid"),
            r"dims is \('presentation', 'neuroid'\), expected .*'subject'",
        ),
        (
            "futrell2018",
            changed("story_id", 0, 10),
            "number of distinct story_id is 11, expected 10",
        ),
        (
            "futrell2018",
            changed("sentence_id", 0, 500),
            "number of distinct sentence_id is 482, expected 481",
        ),
        (
            "tuckute2024-language",
            lambda a: a.isel(presentation=slice(999)),
            "shape is 999 x 1, expected 1000 x 1",
        ),
        (
            "tuckute2024-language",
            lambda a: a * 1.01,
            r"largest value is 1.2978, expected between 1.28 and 1.29",
        ),
    ],
)
def test_a_file_that_breaks_a_published_fact_is_refused_with_the_numbers(
    tmp_path, rng, name, change, message
):
    facts, array = catalog.entry(name).invariants, full(name, rng)
    assemblies.check_invariants(array, facts, name)
    array = change(array)
    if array.size > 2e6:  # a file of 70 MB says no more than the array in it
        with pytest.raises(BrainLensError, match=message):
            assemblies.check_invariants(array, facts, name)
        return
    path = files.write_new(array, tmp_path / "a.nc")
    with pytest.raises(BrainLensError, match=message):
        getattr(assemblies, catalog.entry(name).reader.split(":")[1])(
            path, invariants=facts, **FACTS
        )


def test_what_is_not_netcdf(tmp_path):
    (tmp_path / "page.nc").write_text("<!DOCTYPE html><html>sign in</html>")
    with pytest.raises(BrainLensError, match="it is a web page"):
        open_array(tmp_path / "page.nc")
    (tmp_path / "half.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    with pytest.raises(BrainLensError, match=r"not an? (HDF5 or )?NetCDF file that can be read"):
        open_array(tmp_path / "half.nc")


def test_a_small_file_that_unpacks_to_very_much(tmp_path):
    import h5py

    with h5py.File(tmp_path / "bomb.nc", "w") as file:
        data = file.create_dataset(
            "data", shape=(200_000, 200_000), chunks=(1000, 1000), compression="gzip", dtype="f8"
        )
        for i, dim in enumerate(("presentation", "neuroid")):
            scale = file.create_dataset(
                dim, shape=(200_000,), dtype="f4", chunks=True, compression="gzip"
            )
            scale.make_scale(dim)
            data.dims[i].attach_scale(scale)
    assert (tmp_path / "bomb.nc").stat().st_size < 1_000_000
    with pytest.raises(BrainLensError, match=r"unpacks from .* to 320,00"):
        open_array(tmp_path / "bomb.nc")


def test_a_ceiling_file_as_a_table(tmp_path, rng):
    table = assemblies.read_ceiling(files.write_new(files.ceiling(rng), tmp_path / "c.nc"))
    assert len(table) == 12 and {"ceiling", "subject", "neuroid_id"} <= set(table.columns)
