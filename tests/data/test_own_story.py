"""Stories dropped as loose files: what each is, bound, kept, and read as one of the catalogue."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import nibabel
import numpy as np
import pytest

from data.catalog import own_story, shelf
from data.catalog.catalog import entries, recording, remove
from data.catalog.own_story import Part
from data.errors import BrainLensError
from data.files import DiskError
from data.home import home
from data.stories.story import read_story
from tests.test_newcomer import study

WORDS = "onset\tduration\tword\n" + "".join(f"{i * 0.6:.1f}\t0.4\tword{i}\n" for i in range(40))
SRT = "1\n00:00:00,500 --> 00:00:04,000\nThe fox ran home\n"


def array(n: int = 14, targets: int = 3, seed: int = 0) -> bytes:
    kept = io.BytesIO()
    np.save(kept, np.random.default_rng(seed).standard_normal((n, targets)))
    return kept.getvalue()


def signals(n: int = 14) -> bytes:
    rows = np.random.default_rng(3).standard_normal((n, 2))
    lines = [f"{2.0 * i},{a:.4f},{b:.4f}" for i, (a, b) in enumerate(rows)]
    return "\n".join(["time,LIFG,LPTL", *lines]).encode()


@pytest.mark.parametrize(
    ("files", "story"),
    [
        ({"fox.TextGrid": b"", "fox.npy": b""}, True),
        ({"fox.srt": b""}, True),
        ({"story.toml": b""}, True),
        ({"words.csv": WORDS.encode(), "bold.csv": b"time,a\n0,1\n2,2\n"}, True),
        ({"fox.npy": b"", "fox.tsv": WORDS.encode()}, True),  # words with times, not stimuli
        ({"words.tsv": WORDS.encode()}, False),  # alone it may be anything
        ({"fox.npy": b"", "fox.stimuli.csv": b"text\nThe fox\n"}, False),
        ({"fox.npy": b"", "fox.csv": b"text\nThe fox\n"}, False),
        ({"a.csv": b"text,rt\nThe,1\n", "b.csv": b"text,rt\nThe,1\n"}, False),
    ],
)
def test_files_of_a_story_are_told_from_others(files, story):
    assert own_story.is_story_drop(files) is story


def test_roles_runs_and_people_are_guessed_and_the_story_is_that_of_the_command_line(
    clean_home, tmp_path
):
    files = {f"fox_run-{run}.tsv": WORDS.encode() for run in (1, 2)}
    for i, person in enumerate(("sub-01", "sub-02")):
        files |= {
            f"{person}_task-fox_run-{run}_bold.npy": array(seed=10 * i + run) for run in (1, 2)
        }
    path, parts, facts = own_story.stage_story(files)
    assert {part.file: (part.role, part.run, part.person) for part in parts} == {
        "fox_run-1.tsv": ("words", "run-1", ""),
        "fox_run-2.tsv": ("words", "run-2", ""),
        **{
            f"{p}_task-fox_run-{r}_bold.npy": ("signal", f"run-{r}", p)
            for p in ("sub-01", "sub-02")
            for r in (1, 2)
        },
    }
    assert facts == {}
    one = own_story.keep_story(
        path, "The Fox", parts, {"interval": 2.0, "offset": 1.5, "quality": "pilot"}
    )
    assert one.id == "the-fox" and one.state == "ready" and one.traps[0] == "pilot"
    found = recording("the-fox")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    lines = ["interval = 2.0", "offset = 1.5", "[words]", '"run-1" = "fox_run-1.tsv"', '"run-2" = "fox_run-2.tsv"']  # fmt: skip
    for person in ("sub-01", "sub-02"):
        lines.append(f"[people.{person}]")
        lines += [f'run-{r} = "{person}_task-fox_run-{r}_bold.npy"' for r in (1, 2)]
    (tmp_path / "story.toml").write_text("\n".join(lines))
    same = read_story(tmp_path / "story.toml")
    assert found.response_hash == same.response_hash
    assert found.presentation.words.equals(same.presentation.words)
    assert found.responses.shape == (28, 6) and found.quality == "pilot"
    assert remove("the-fox") > 0 and "the-fox" not in entries()


def test_events_of_each_person_are_those_of_the_run(clean_home):
    files = {}
    for person in ("sub-01", "sub-02"):
        for task, words in (("fox", WORDS), ("hen", WORDS.replace("word1", "bird"))):
            files[f"{person}_task-{task}_events.tsv"] = words.encode()
            files[f"{person}_task-{task}_bold.npy"] = array()
    _, parts, _ = own_story.stage_story(files)
    told = {part.file: (part.role, part.run, part.person) for part in parts}
    assert told["sub-01_task-hen_events.tsv"][:2] == ("words", "task-hen")
    assert told["sub-02_task-hen_events.tsv"][0] == "left out"
    assert told["sub-02_task-fox_bold.npy"] == ("signal", "task-fox", "sub-02")
    path, parts, _ = own_story.stage_story({k: v for k, v in files.items() if "hen" not in k})
    assert [part.run for part in parts if part.role == "signal"] == ["run1", "run1"]
    own_story.write_story(path, parts, {"interval": 2.0})
    assert own_story.understood_story(path).responses.shape == (14, 6)


def test_two_hemispheres_dropped_together_are_one_signal(clean_home, tmp_path):
    files = {"fox_run-1.tsv": WORDS.encode()}
    for side, seed in (("L", 1), ("R", 2)):
        rows = np.random.default_rng(seed).standard_normal((14, 3)).astype(np.float32)
        image = nibabel.gifti.GiftiImage(
            darrays=[nibabel.gifti.GiftiDataArray(row) for row in rows]
        )
        nibabel.save(image, tmp_path / "one.gii")
        files[f"fox_run-1_hemi-{side}.func.gii"] = (tmp_path / "one.gii").read_bytes()
    path, parts, _ = own_story.stage_story(files)
    assert [part.person for part in parts if part.role == "signal"] == ["fox", "fox"]
    own_story.write_story(path, parts, {"interval": 2.0})
    found = read_story(path)
    assert found.responses.hemisphere.values.tolist() == ["left"] * 3 + ["right"] * 3
    files = {"story.toml": path.read_bytes(), **files}  # and what was written is read again
    again, parts, facts = own_story.stage_story(files)
    own_story.write_story(again, parts, facts)
    assert read_story(again).response_hash == found.response_hash


def test_json_among_the_dropped_files_fills_in_the_time_between_samples(clean_home):
    files = {
        "fox_events.tsv": WORDS.encode(),
        "fox_bold.npy": array(),
        "fox_bold.json": b'{"RepetitionTime": 1.5}',
    }
    path, parts, facts = own_story.stage_story(files)
    assert facts == {"interval": 1.5} and Part("fox_bold.json", "left out", "run1", "fox") in parts
    own_story.write_story(path, parts, {"interval": 2.0})  # corrected in the form: said, not silent
    assert "fox_bold.json says 1.5 s" in " ".join(own_story.understood_story(path).notes)
    _, _, facts = own_story.stage_story({**files, "hen_bold.json": b'{"RepetitionTime": 2}'})
    assert facts == {}


def test_a_table_with_times_and_subtitles_need_no_interval(clean_home):
    path, parts, _ = own_story.stage_story({"talk.srt": SRT.encode(), "roi.csv": signals()})
    assert parts == [Part("roi.csv", "signal", "run1", "roi"), Part("talk.srt", "words", "run1")]
    own_story.write_story(path, parts, {})
    found = own_story.understood_story(path)
    assert found.presentation.interval == 2.0 and found.reading().texts[:2] == ["The", "fox"]


def test_a_story_toml_among_the_files_counts_before_the_guess(clean_home):
    toml = (
        'interval = 1.5\ntier = "words"\nlanguage = "de"\n[words]\nA = "a b.tsv"\n'
        '[people.ada]\nA = "sub/x y.npy"\n'
    )
    files = {"story.toml": toml.encode(), "a b.tsv": WORDS.encode(), "x y.npy": array(), "z.csv": b"a\n1\n"}  # fmt: skip
    path, parts, facts = own_story.stage_story(files)
    assert parts == [Part("a-b.tsv", "words", "A"), Part("x-y.npy", "signal", "A", "ada"), Part("z.csv", "left out")]  # fmt: skip
    assert facts == {"interval": 1.5, "language": "de", "tier": "words"}
    kept = own_story.keep_story(path, "", parts, facts)
    assert not (
        home("recordings", "own") / kept.id / "z.csv"
    ).exists()  # what counts for nothing is not kept
    assert recording(kept.id).language == "de"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"fox.srt": SRT.encode()}, "no signal among fox.srt"),
        ({"fox.nii.gz": b""}, "no words with times among fox.nii.gz"),
        ({"fox.srt": b"", "fox.exe": b""}, "'fox.exe' is no file of a story"),
        ({"story.toml": b"[words", "a.npy": b""}, "cannot be read"),
        ({"story.toml": b"[words]\nr='w.srt'\n[people.a]\nr='x.npy'\n", "w.srt": b""}, "'x.npy', which was not dropped"),
    ],
)  # fmt: skip
def test_what_is_no_story_is_said_and_nothing_stays(clean_home, files, says):
    with pytest.raises(BrainLensError, match=says):
        own_story.stage_story(files)
    assert not list(home("recordings", "own").glob(".staged-*"))


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([Part("w.tsv", "words", "r"), Part("x.npy", "signal", "r")], "x.npy: its person is not said"),
        ([Part("w.tsv", "words", "r"), Part("x.npy", "signal", "r", "a"), Part("y.npy", "signal", "r", "a")],
         "Two files are said to be the signal of a in r: x.npy and y.npy"),
        ([Part("w.tsv", "words", "r"), Part("x.npy", "signal", "r", "a"), Part("m.nii", "mask", "", "b")],
         "no signal is of the person 'b'"),
        ([Part("w.tsv", "words", "mask"), Part("x.npy", "signal", "mask", "a")], "no run can be called"),
        ([Part("w.tsv", "words", "r"), Part("x.npy", "left out", "r", "a")], "no signal among w.tsv"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said(tmp_path, parts, says):
    with pytest.raises(BrainLensError, match=says):
        own_story.write_story(tmp_path / "story.toml", parts, {})


def test_a_damaged_signal_is_read_elsewhere_first(clean_home, monkeypatch):
    def lost(path):
        raise BrainLensError("the process that read it was lost")

    monkeypatch.setattr(own_story.apart, "tried", lost)
    path, parts, _ = own_story.stage_story({"w.tsv": WORDS.encode(), "x.npy": array()})
    own_story.write_story(path, parts, {"interval": 2.0})
    with pytest.raises(BrainLensError, match="was lost"):
        own_story.understood_story(path)
    shelf.drop(path)


@pytest.mark.parametrize(
    ("number", "at"),
    [(errno.ENOSPC, "fox.tsv"), (errno.EDQUOT, "story.toml"), (errno.EROFS, "about.json")],
)
def test_a_disk_that_takes_no_more_is_told_and_nothing_half_is_kept(
    clean_home, monkeypatch, number, at
):
    files = {"fox.tsv": WORDS.encode(), "a.npy": array()}
    plain = Path.write_text, Path.write_bytes

    def failing(write):
        def write_(self, content, **named):
            if self.name == at:
                raise OSError(number, "no")
            return write(self, content, **named)

        return write_

    monkeypatch.setattr(Path, "write_text", failing(plain[0]))
    monkeypatch.setattr(Path, "write_bytes", failing(plain[1]))
    with pytest.raises(DiskError, match="Nothing could be written to"):
        path, parts, _ = own_story.stage_story(files)
        own_story.keep_story(path, "fox", parts, {"interval": 2.0})
    assert shelf.kept() == {}
    monkeypatch.undo()


def test_an_id_that_another_process_took_meanwhile_gets_a_number(clean_home, monkeypatch):
    def drop():
        path, parts, _ = own_story.stage_story({"fox.tsv": WORDS.encode(), "a.npy": array()})
        return own_story.keep_story(path, "fox", parts, {"interval": 2.0}).id

    assert drop() == "fox"
    plain, told = shelf.free_id, iter(["fox"])  # free when it was asked, taken when it is kept
    monkeypatch.setattr(shelf, "free_id", lambda name: next(told, None) or plain(name))
    assert drop() == "fox-2" and set(shelf.kept()) == {"fox", "fox-2"}
    assert recording("fox-2").id == "fox-2"


def test_a_whole_run_can_be_left_out_with_its_words():
    whole = recording("simulated-story")
    run = whole.stimuli["run"].iloc[0]
    rest = whole.select(stimuli=(whole.stimuli["run"] != run).to_numpy())
    words = whole.timed.words
    assert list(rest.timed.words["text"]) == list(words["text"][words["run"] != run])
    assert set(rest.timed.words["run"]) == set(rest.stimuli["run"]) == set(words["run"]) - {run}
    assert whole.select(stimuli=np.arange(whole.n_stimuli)).content_hash == whole.content_hash


def several_arrays(kind: str, tmp_path) -> bytes:
    """Two runs, and what is no signal, in one file."""
    import h5py

    rng = np.random.default_rng(5)
    arrays = {
        "run-1/bold": rng.standard_normal((14, 3)),
        "run-2/bold": rng.standard_normal((14, 3)),
        "design": np.ones((14, 4)),
        "onsets": np.arange(14.0),
    }
    path = tmp_path / f"held{kind}"
    if kind == ".npz":
        np.savez(path, **{name.replace("/", "_"): one for name, one in arrays.items()})
    elif kind == ".mat":
        from scipy.io import savemat

        named = {name.replace("/", "_").replace("-", "_"): one for name, one in arrays.items()}
        savemat(path, {**named, "note": "not a run", "tr": 2.0})
    else:
        with h5py.File(path, "w") as file:
            for name, one in arrays.items():
                file[name] = one
    return path.read_bytes()


def test_signals_of_matlab_are_read_and_their_variables_named(tmp_path):
    (tmp_path / "fox.tsv").write_text(WORDS)
    (tmp_path / "sub-01.mat").write_bytes(several_arrays(".mat", tmp_path))
    lines = ["interval = 2.0", "[words]", 'run1 = "fox.tsv"', "[people.sub-01]"]
    toml = tmp_path / "story.toml"
    toml.write_text("\n".join([*lines, 'run1 = "sub-01.mat#run_1_bold"']))
    expected = np.random.default_rng(5).standard_normal((14, 3))
    np.testing.assert_allclose(read_story(toml).responses.values, expected, rtol=1e-6)
    toml.write_text("\n".join([*lines, 'run1 = "sub-01.mat"']))
    with pytest.raises(BrainLensError, match=r"holds 3 arrays of two dimensions.*run_1_bold"):
        read_story(toml)
    (tmp_path / "sub-01.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b"x" * 300)
    with pytest.raises(BrainLensError, match=r"sub-01.mat is (not a MATLAB|damaged|of MATLAB)"):
        read_story(toml)


def test_columns_of_a_table_are_regions_where_they_have_names(clean_home, tmp_path):
    """One's own regions of interest, for Time and Regions; columns that are only counted are none."""
    (tmp_path / "fox.tsv").write_text(WORDS)
    (tmp_path / "s.csv").write_bytes(signals())
    toml = tmp_path / "story.toml"
    toml.write_text('[words]\nrun1 = "fox.tsv"\n[people.sub-01]\nrun1 = "s.csv"\n')
    assert read_story(toml).responses["region"].values.tolist() == ["LIFG", "LPTL"]
    (tmp_path / "s.csv").write_bytes(signals().replace(b"LIFG,LPTL", b"v1,v2"))
    assert "region" not in read_story(toml).responses.coords


@pytest.mark.parametrize("kind", [".h5", ".npz"])
def test_a_file_of_several_arrays_names_the_one_of_each_run(kind, clean_home, tmp_path):
    words = {f"fox_run-{run}.tsv": WORDS.encode() for run in (1, 2)}
    files = {**words, f"sub-01{kind}": several_arrays(kind, tmp_path)}
    path, parts, _ = own_story.stage_story(files)
    inner = "/" if kind == ".h5" else "_"
    told = {part.file: (part.role, part.run, part.person) for part in parts if "#" in part.file}
    assert told == {
        f"sub-01{kind}#run-1{inner}bold": ("signal", "run-1", "sub-01"),
        f"sub-01{kind}#run-2{inner}bold": ("signal", "run-2", "sub-01"),
        f"sub-01{kind}#design": ("left out", "", "sub-01"),
    }
    kept = own_story.keep_story(path, "fox", parts, {"interval": 2.0})
    found = recording(kept.id).responses.values
    assert found.shape == (28, 3) and len(np.unique(found)) == found.size

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    toml = tmp_path / "story.toml"
    lines = ["interval = 2.0", "[words]", '"run-1" = "fox_run-1.tsv"', "[people.sub-01]"]
    toml.write_text("\n".join([*lines, f'run-1 = "sub-01{kind}#run-1{inner}bold"']))
    np.testing.assert_array_equal(read_story(toml).responses.values, found[:14])
    toml.write_text("\n".join([*lines, f'run-1 = "sub-01{kind}"']))
    with pytest.raises(BrainLensError, match="holds 3 arrays of two dimensions") as caught:
        read_story(toml)
    assert f'run1 = "sub-01{kind}#' in caught.value.remedy
    toml.write_text("\n".join([*lines, f'run-1 = "sub-01{kind}#run-3"']))
    with pytest.raises(BrainLensError, match="Unknown array of sub-01"):
        read_story(toml)
    toml.write_text("\n".join([*lines, f'run-1 = "../sub-01{kind}#run-1"']))
    with pytest.raises(BrainLensError, match="lies outside its folder"):
        read_story(toml)
    _, parts, _ = own_story.stage_story({"story.toml": b"\n".join(
        [*(one.encode() for one in lines), f'run-1 = "x/sub-01{kind}#run-1{inner}bold"'.encode()]
    ), **files})  # fmt: skip
    assert Part(f"sub-01{kind}#run-1{inner}bold", "signal", "run-1", "sub-01") in parts


def test_of_several_arrays_the_one_that_is_called_like_a_signal_is_taken(clean_home, tmp_path):
    np.savez(tmp_path / "s.npz", bold=np.random.default_rng(0).standard_normal((14, 3)),
             design=np.ones((14, 2)))  # fmt: skip
    files = {"fox.tsv": WORDS.encode(), "s.npz": (tmp_path / "s.npz").read_bytes()}
    path, parts, _ = own_story.stage_story(files)
    assert {part.file: part.role for part in parts} == {
        "fox.tsv": "words", "s.npz#bold": "signal", "s.npz#design": "left out"}  # fmt: skip
    own_story.write_story(path, parts, {"interval": 2.0})
    assert read_story(path).responses.shape == (14, 3)


def test_masks_of_each_run_are_one_of_the_person(clean_home, tmp_path):
    """As fMRIPrep writes them: the first counts, in the page as in a folder, where it is said that others differ."""
    folder = study(tmp_path / "fox", people=("01",), runs=(1, 2))
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    path, parts, facts = own_story.stage_story(files)
    roles = {part.file: part.role for part in parts}
    assert sorted(role for name, role in roles.items() if "mask" in name) == ["left out", "mask"]
    own_story.write_story(path, parts, facts)
    assert read_story(path).responses.shape == (140, 36)
    assert not any("differs" in note for note in read_story(folder).notes)
    second = next(folder.rglob("*run-2*mask.nii.gz"))
    values = np.ones((3, 4, 3), np.uint8)
    values[0] = 0
    nibabel.save(nibabel.Nifti1Image(values, nibabel.load(second).affine), second)
    found = read_story(folder)
    assert found.responses.shape == (140, 36)
    assert any("counts for every run" in note and "run-2" in note for note in found.notes)
