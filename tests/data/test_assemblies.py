"""Public assemblies: every layout, every writer, every broken invariant."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from data import assemblies, catalog
from data.errors import BrainLensError

spec = importlib.util.spec_from_file_location("assembly_files", Path(__file__).with_name("assembly_files.py"))
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)

FACTS = {"id": "x", "citation": "", "licence": "", "source": ""}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("writer", [files.write_new, files.write_2022, lambda a, p: files.write_new(a, p, "netcdf4")])
@pytest.mark.parametrize("name", sorted(files.MAKERS))
def test_every_layout_by_every_writer(tmp_path, rng, name, writer):
    array = files.MAKERS[name](rng)
    path = writer(array, tmp_path / "a.nc")
    reader = getattr(assemblies, catalog.entry(name).reader.split(":")[1])
    recording = reader(path, **FACTS)
    assert recording.n_stimuli == array.sizes["presentation"]
    np.testing.assert_array_equal(recording.responses.values, array.values)
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
    recording = assemblies.pereira2018(files.write_new(files.pereira(rng), tmp_path / "p.nc"), **FACTS)
    assert recording.stimuli.index[recording.stimuli["dereferenced"]].tolist() == ["384sentences.5"]
    assert len(set(assemblies.DEREFERENCED)) == 49


def test_upper_case_is_recased_and_kept(tmp_path, rng):
    recording = assemblies.fedorenko2016(files.write_new(files.fedorenko(rng), tmp_path / "f.nc"), **FACTS)
    assert " ".join(recording.texts[:8]) == "Alex was tired so he took a nap"
    assert " ".join(recording.texts[8:]) == "Then I saw that I'm late again today"
    assert recording.stimuli["shown"].iloc[0] == "ALEX" and recording.scored_unit == "word"
    assert recording.subjects.tolist() == ["1", "1", "1", "2", "2"]


def test_silent_volumes_and_missing_readers(tmp_path, rng):
    story = assemblies.blank2014(files.write_2022(files.blank(rng), tmp_path / "b.nc"), **FACTS)
    assert story.texts[2] == "..." and any("1 volumes without a word" in note for note in story.notes)
    assert story.responses["region"].values[0] == "01_LHPostTemp"
    reading = assemblies.futrell2018(files.write_2022(files.futrell(rng), tmp_path / "r.nc"), **FACTS)
    assert reading.subjects.tolist() == ["A1", "B2", "C3"] and int(np.isnan(reading.responses).sum()) == 5


@pytest.mark.parametrize(
    ("invariants", "message"),
    [
        ({"shape": (627, 13553)}, "shape is 24 x 12, expected 627 x 13553"),
        ({"nansum": 1935595.26}, "sum of the values is .* expected 1935595.26"),
        ({"unique": {"subject": 10}}, "number of distinct subject is 3, expected 10"),
        ({"counts": {"subject": (5, 7)}}, r"rows by subject is \[4, 4, 4\], expected \[5, 7\]"),
        ({"first": {"sentence": "Alex"}}, "first sentence is beekeeping 1 has sentence 0., expected Alex"),
        ({"max": (100.0, 101.0)}, "largest value is"),
        ({"dims": ("presentation", "time")}, "dims is"),
        ({"unique": {"session": 2}}, "there is no coordinate 'session'"),
    ],
)
def test_a_broken_invariant_is_named_with_its_numbers(tmp_path, rng, invariants, message):
    path = files.write_new(files.pereira(rng), tmp_path / "p.nc")
    with pytest.raises(BrainLensError, match=message):
        assemblies.pereira2018(path, invariants=invariants, **FACTS)


def test_invariants_that_hold(tmp_path, rng):
    array = files.pereira(rng)
    holds = {"shape": (24, 12), "nansum": float(np.nansum(array)), "unique": {"subject": 3}, "counts": {"subject": (4, 4, 4)}}
    path = files.write_new(array, tmp_path / "p.nc")
    assert assemblies.pereira2018(path, invariants=holds, **FACTS).n_targets == 12


def test_the_catalogue_asserts_the_published_facts():
    facts = catalog.entry("pereira2018").invariants
    assert facts["shape"] == (627, 13553) and facts["nansum"] == 1935595.263162177
    assert catalog.entry("fedorenko2016").invariants["counts"]["subject_UID"] == (47, 8, 9, 15, 18)


def test_what_is_not_netcdf(tmp_path):
    (tmp_path / "page.nc").write_text("<!DOCTYPE html><html>sign in</html>")
    with pytest.raises(BrainLensError, match="it is a web page"):
        assemblies.open_array(tmp_path / "page.nc")
    (tmp_path / "half.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    with pytest.raises(BrainLensError, match="not a NetCDF file that can be read"):
        assemblies.open_array(tmp_path / "half.nc")


def test_a_small_file_that_unpacks_to_very_much(tmp_path):
    import h5py

    with h5py.File(tmp_path / "bomb.nc", "w") as file:
        data = file.create_dataset("data", shape=(200_000, 200_000), chunks=(1000, 1000), compression="gzip", dtype="f8")
        for i, dim in enumerate(("presentation", "neuroid")):
            scale = file.create_dataset(dim, shape=(200_000,), dtype="f4", chunks=True, compression="gzip")
            scale.make_scale(dim)
            data.dims[i].attach_scale(scale)
    assert (tmp_path / "bomb.nc").stat().st_size < 1_000_000
    with pytest.raises(BrainLensError, match="unpacks to 320,00"):
        assemblies.open_array(tmp_path / "bomb.nc")


def test_a_ceiling_file_as_a_table(tmp_path, rng):
    array = files.pereira(rng).isel(presentation=0, drop=True)
    array = array.drop_vars([n for n, c in array.coords.items() if c.dims != ("neuroid",)])
    table = assemblies.read_ceiling(files.write_new(array, tmp_path / "c.nc"))
    assert len(table) == 12 and {"ceiling", "subject", "neuroid_id"} <= set(table.columns)
