"""Words with times, signals over time, and the stories they make."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from data import mapped
from data.errors import BrainLensError
from data.own.write import write
from data.presentation import Presentation, sample_table
from data.stories import story as story_module
from data.stories.epoch_files import read_epochs
from data.stories.hemispheres import read_run
from data.stories.report import drawn
from data.stories.signals import read_signal
from data.stories.story import read_story
from data.stories.words import read_words

WORDS = [(0.5, 0.9, "The"), (0.9, 1.4, "fox"), (2.1, 2.6, "ran"), (6.2, 6.9, "home")]
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 8
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 8
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 8
            text = "f"
    item [2]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 8
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "sp"
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "The"
        intervals [3]:
            xmin = 1
            xmax = 8
            text = "fox"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
8
<exists>
1
"IntervalTier"
"words"
0
8
2
0
1
"The"
1
8
"fox"
"""


def table(path: Path, scale: float = 1.0) -> Path:
    rows = "".join(f"{a * scale}\t{(b - a) * scale}\t{w}\n" for a, b, w in WORDS)
    path.write_text("onset\tduration\tword\n" + rows + f"{7.5 * scale}\t{0.1 * scale}\tn/a\n")
    return path


# ---- words -----------------------------------------------------------------------------------------------------------
def test_events_of_bids_are_words_and_na_is_none(tmp_path):
    words = read_words(table(tmp_path / "a_events.tsv"), run="r")
    assert words["text"].tolist() == ["The", "fox", "ran", "home"]
    assert words["run"].tolist() == ["r"] * 4 and words.attrs["silent"] == 1
    np.testing.assert_allclose(words["offset"], [0.9, 1.4, 2.6, 6.9])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_textgrids_of_both_forms_and_encodings(tmp_path, text, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_text(text, encoding=encoding)
    words = read_words(path)
    assert words["text"].tolist() == ["The", "fox"]
    assert words["onset"].tolist()[1] == 1 and words["offset"].tolist()[1] == 8


def test_subtitles_share_their_time_by_letters(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:03,000\nab cde\n\n")
    words = read_words(path)
    assert words["text"].tolist() == ["ab", "cde"]
    assert words["onset"].iloc[0] == 1 and words["offset"].iloc[1] == 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: table(p / "a.tsv", 1000), "milliseconds"),
        (lambda p: (p / "a.xyz", (p / "a.xyz").write_text("x"))[0], "kind of word file"),
        (lambda p: p / "none.tsv", "no file"),
        (
            lambda p: (p / "a.csv", (p / "a.csv").write_text("word,start\nx,1\ny,2\n"))[0],
            "offsets or durations",
        ),
    ],
    ids=["milliseconds", "ending", "missing", "no offset"],
)
def test_wrong_word_files_are_answered_in_words(tmp_path, make, says):
    with pytest.raises(BrainLensError, match=says):
        read_words(make(tmp_path))


def test_a_tier_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(LONG)
    with pytest.raises(BrainLensError, match="phones"):
        read_words(path, tier="wrods")


def test_a_presentation_refuses_words_out_of_order():
    words = pd.DataFrame(
        [("r", 2.0, 2.5, "b"), ("r", 1.0, 1.5, "a")], columns=["run", "onset", "offset", "text"]
    )
    with pytest.raises(BrainLensError, match=r"'a' of run r at 1\.0"):
        Presentation(words, 2.0)


def test_samples_hold_the_words_whose_middle_they_see():
    words = pd.DataFrame(WORDS, columns=["onset", "offset", "text"]).assign(run="r")
    assert sample_table(Presentation(words, 2.0), {"r": 4})["text"].tolist() == [
        "The fox",
        "ran",
        "",
        "home",
    ]


# ---- signals ---------------------------------------------------------------------------------------------------------
def nifti(path: Path, values: np.ndarray, tr: float = 2.0, size: float = 3.0) -> Path:
    image = nibabel.Nifti1Image(values.astype(np.float32), np.diag([size, size, size, 1.0]))
    if values.ndim == 4:
        image.header.set_zooms((size, size, size, tr))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def test_nifti_within_its_mask(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    mask = np.zeros((3, 4, 5))
    mask[1, 2, 3] = mask[2, 0, 1] = 1
    signal = read_signal(
        nifti(tmp_path / "a_bold.nii.gz", values), mask=nifti(tmp_path / "m.nii.gz", mask)
    )
    assert signal.interval == 2.0 and signal.names == ["v1-2-3", "v2-0-1"]
    np.testing.assert_allclose(signal.values[:, 0], values[1, 2, 3], rtol=1e-6)
    assert [signal.coordinates[a][0] for a in "xyz"] == [3.0, 6.0, 9.0]


def test_a_mask_of_several_volumes_is_refused(tmp_path):
    run = nifti(tmp_path / "bold.nii", np.random.default_rng(0).standard_normal((3, 2, 2, 5)))
    mask = nifti(tmp_path / "mask.nii", np.ones((3, 2, 2, 3)))
    with pytest.raises(BrainLensError, match=r"mask.nii has 4 dimensions \(3, 2, 2, 3\)"):
        read_signal(run, mask=mask)


def test_a_mask_of_another_space_is_refused(tmp_path):
    series = nifti(tmp_path / "a.nii", np.ones((3, 4, 5, 6)))
    other = nifti(tmp_path / "m.nii", np.ones((3, 4, 5)), size=2.0)
    with pytest.raises(BrainLensError, match="another space"):
        read_signal(series, mask=other)


def test_gifti_cifti_hdf5_and_tables(tmp_path):
    import h5py
    from nibabel.cifti2 import BrainModelAxis, SeriesAxis

    rng = np.random.default_rng(0)
    values = rng.standard_normal((6, 5)).astype(np.float32)
    image = nibabel.gifti.GiftiImage(
        darrays=[nibabel.gifti.GiftiDataArray(row, datatype="float32") for row in values]
    )
    nibabel.save(image, tmp_path / "sub-1_hemi-L_bold.func.gii")
    found = read_signal(tmp_path / "sub-1_hemi-L_bold.func.gii")
    np.testing.assert_allclose(found.values, values)
    assert set(found.coordinates["hemisphere"]) == {"left"}

    axes = (
        SeriesAxis(0, 0.72, 6),
        BrainModelAxis.from_mask(np.ones(5, bool), name="cortex_left"),
    )
    nibabel.save(nibabel.Cifti2Image(values, header=axes), tmp_path / "a.dtseries.nii")
    found = read_signal(tmp_path / "a.dtseries.nii")
    np.testing.assert_allclose(found.values, values)
    assert found.interval == pytest.approx(0.72) and found.coordinates["vertex"].tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]

    with h5py.File(tmp_path / "a.hf5", "w") as file:
        file["data"] = values
    np.testing.assert_allclose(read_signal(tmp_path / "a.hf5").values, values)

    frame = pd.DataFrame(values, columns=list("abcde"))
    frame.insert(0, "time", np.arange(6) * 1.5)
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = read_signal(tmp_path / "a.csv")
    assert found.names == list("abcde") and found.interval == 1.5


def test_hdf5_that_keeps_its_numbers_elsewhere_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones((3, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink("secret.h5", "data")
    with pytest.raises(BrainLensError, match=r"is a link to the file 'secret\.h5'"):
        read_signal(tmp_path / "a.h5")
    (tmp_path / "raw").write_bytes(bytes(72))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("data", (3, 3), "f8", external=[(str(tmp_path / "raw"), 0, 72)])
    with pytest.raises(BrainLensError, match="is stored in the file"):
        read_signal(tmp_path / "b.h5")


def test_epochs_of_mne(tmp_path):
    mne = pytest.importorskip("mne")
    values = np.random.default_rng(0).standard_normal((4, 2, 10)) * 1e-6
    info = mne.create_info(["Cz", "Pz"], 100.0, "eeg")
    mne.EpochsArray(values, info, tmin=-0.05, verbose="error").save(
        tmp_path / "a-epo.fif", verbose="error"
    )
    found = read_epochs(tmp_path / "a-epo.fif")
    assert found.channels == ["Cz", "Pz"] and found.lags[0] == pytest.approx(-50)
    assert found.kind == "eeg" and found.notes == ("no baseline was taken off",)
    np.testing.assert_allclose(found.values, values, rtol=1e-4, atol=1e-12)


# ---- stories ---------------------------------------------------------------------------------------------------------
def story(folder: Path, n: int = 12, people=("sub-01", "sub-02")) -> Path:
    rng = np.random.default_rng(1)
    lines = ['id = "fox"', "interval = 2.0", "[words]"]
    for run in ("run1", "run2", "run3"):
        table(folder / f"{run}_events.tsv")
        lines.append(f'{run} = "{run}_events.tsv"')
    for person in people:
        lines.append(f"[people.{person}]")
        for run in ("run1", "run2", "run3"):
            np.save(folder / f"{person}_{run}.npy", rng.standard_normal((n, 3)))
            lines.append(f'{run} = "{person}_{run}.npy"')
    (folder / "story.toml").write_text("\n".join(lines))
    return folder / "story.toml"


def test_a_story_of_gigabytes_is_read_onto_disk_as_the_same_story(tmp_path, monkeypatch):
    path = story(tmp_path)
    values = np.load(tmp_path / "sub-02_run2.npy")
    values[:, 1] = 0.5  # in this run only: the target varies in others
    np.save(tmp_path / "sub-02_run2.npy", values)
    for run in ("run1", "run2", "run3"):
        still = np.load(tmp_path / f"sub-01_{run}.npy")
        still[:, 0] = 1.0
        np.save(tmp_path / f"sub-01_{run}.npy", still)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))  # the second person has no third run
    whole = read_story(path)
    monkeypatch.setattr(mapped.room_for, "__kwdefaults__", {"least": 1})
    monkeypatch.setattr(mapped.laid_down, "__kwdefaults__", {"least": 1, "among": 1})
    monkeypatch.setattr(
        story_module, "_few", lambda count, rows: [slice(i, i + 2) for i in range(0, count, 2)]
    )
    laid = read_story(path)
    assert laid.notes == whole.notes and laid.responses.shape == (36, 5)
    assert laid.content_hash == whole.content_hash


def test_a_story_of_runs_people_and_words(tmp_path):
    recording = read_story(story(tmp_path))
    assert recording.responses.shape == (36, 6) and recording.group == "run"
    assert recording.subjects.tolist() == ["sub-01"] * 3 + ["sub-02"] * 3
    assert recording.reading().texts[:4] == ["The", "fox", "ran", "home"]
    assert recording.stimuli["text"].iloc[12] == "The fox"
    other = recording.presentation.shifted(2.0)
    assert (
        recording.content_hash
        != __import__("dataclasses").replace(recording, presentation=other).content_hash
    )


def test_a_story_is_not_written_without_its_words(tmp_path):
    """A table of its samples has no times of words; ``data.write`` has, and asks this one for tables only."""
    with pytest.raises(BrainLensError, match="fox is a story: the times of its words"):
        write(read_story(story(tmp_path)), tmp_path / "fox.csv")
    assert not (tmp_path / "fox.csv").exists()


def said(folder: Path, old: str, new: str) -> None:
    """Write something else into the ``story.toml`` of a folder."""
    path = folder / "story.toml"
    path.write_text(path.read_text().replace(old, new, 1))


def nuisance(folder: Path, value: str) -> None:
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    pd.DataFrame(dict.fromkeys(names, [value] * 12)).to_csv(folder / "c.csv", index=False)
    runs = ", ".join(f'run{i} = "c.csv"' for i in (1, 2, 3))
    for person in ("01", "02"):
        said(folder, f"[people.sub-{person}]", f"[people.sub-{person}]\nconfounds = {{ {runs} }}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: np.save(f / "sub-02_run2.npy", np.ones((9, 3))), "other lengths"),
        (
            lambda f: (f / "story.toml").write_text(
                (f / "story.toml").read_text().replace("interval = 2.0\n", "")
            ),
            "repetition time",
        ),
        (
            lambda f: (f / "story.toml").write_text(
                (f / "story.toml").read_text().replace("sub-02_run2.npy", "../../x.npy")
            ),
            "lies outside its folder",
        ),
        (
            lambda f: (f / "story.toml").write_text(
                (f / "story.toml").read_text().replace("interval", "intervall")
            ),
            "interval",
        ),
        (lambda f: said(f, "interval = 2.0", 'interval = "two"'), "interval = 'two', and it needs a number"),
        (lambda f: said(f, "interval = 2.0", "interval = 2.0\noffset = nan"), "offset = nan, and it needs"),
        (lambda f: said(f, '"fox"', '["fox"]'), "id = .* needs words in quotes"),
        (lambda f: said(f, "[people.sub-02]", "[people]\nada = 'x.npy'\n[people.sub-02]"), "people.ada. is no table"),
        (lambda f: said(f, "[people.sub-02]", "confounds = 'x.tsv'\n[people.sub-02]"), "confounds of sub-01 need the run"),
        (lambda f: [np.save(one, np.full((12, 3), np.nan)) for one in f.glob("*.npy")], "none of 6 targets varies"),
        (lambda f: nuisance(f, "a"), "the column 'trans_x' is not numbers"),
    ],
    ids=["length", "no interval", "path", "field", "interval", "offset", "id", "people", "confounds", "NaN", "text"],
)  # fmt: skip
def test_wrong_stories_are_answered_in_words(tmp_path, change, says):
    path = story(tmp_path)
    change(tmp_path)
    with pytest.raises(BrainLensError, match=says):
        read_story(path)


def test_a_folder_of_bids_derivatives(tmp_path):
    folder = tmp_path / "fox_study"
    values = np.random.default_rng(0).standard_normal((2, 2, 2, 9)) + 5
    for person in ("01", "02"):
        func = folder / f"sub-{person}" / "func"
        func.mkdir(parents=True)
        stem = f"sub-{person}_task-fox_run-1"
        nifti(func / f"{stem}_space-MNI_desc-preproc_bold.nii.gz", values, tr=1.5)
        nifti(func / f"{stem}_space-MNI_desc-brain_mask.nii.gz", np.ones((2, 2, 2)))
        table(func / f"{stem}_events.tsv")
        columns = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
        pd.DataFrame(np.ones((9, 6)), columns=columns).to_csv(
            func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False
        )
    recording = read_story(folder)
    assert recording.id == "fox-study" and recording.responses.shape == (9, 16)
    assert recording.presentation.interval == 1.5 and len(recording.presentation.nuisance) == 6
    assert all(name.startswith("motion-") for name in recording.presentation.nuisance)
    assert {"x", "y", "z"} <= set(recording.responses.coords)


# ---- both hemispheres ---------------------------------------------------------------------------------------------------
def gifti(path: Path, values: np.ndarray, side: str = "", step: str = "2000") -> Path:
    """A series with one array per sample; ``side`` is what the file says inside."""
    arrays = [nibabel.gifti.GiftiDataArray(row.astype(np.float32)) for row in values]
    for array in arrays:
        array.meta["TimeStep"] = step
    image = nibabel.gifti.GiftiImage(darrays=arrays)
    if side:
        image.meta["AnatomicalStructurePrimary"] = side
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("step", "seconds"), [("2000", 2.0), ("720.0", 0.72), ("2.0", 2.0)])
def test_the_time_step_of_gifti_is_in_milliseconds_or_in_seconds(tmp_path, step, seconds):
    path = gifti(tmp_path / "sub-1_hemi-L_bold.func.gii", np.ones((3, 4)), step=step)
    assert read_signal(path).interval == pytest.approx(seconds)


def test_samples_that_end_at_once_are_told_by_their_interval(tmp_path):
    with pytest.raises(BrainLensError, match=r"Give 'interval'.*: 0\.002 is too short"):
        read_story(study(tmp_path, tr=0.002))


def test_two_hemispheres_of_a_run_are_one_signal(tmp_path):
    values = np.random.default_rng(2).standard_normal((9, 7))
    for person in ("sub-01", "sub-02"):
        stem = tmp_path / "fox" / person / "func" / f"{person}_task-fox"
        gifti(Path(f"{stem}_hemi-R_space-fsaverage5_bold.func.gii"), values[:, 4:])
        gifti(Path(f"{stem}_hemi-L_space-fsaverage5_bold.func.gii"), values[:, :4])
        table(Path(f"{stem}_events.tsv"))
    found = read_story(tmp_path / "fox")
    assert found.presentation.interval == 2.0
    np.testing.assert_allclose(found.responses.values, np.hstack([values, values]), rtol=1e-6)
    assert found.responses.hemisphere.values[:7].tolist() == ["left"] * 4 + ["right"] * 3
    assert found.responses.vertex.values[:7].tolist() == [0, 1, 2, 3, 0, 1, 2]
    right = gifti(tmp_path / "b.gii", values[:, 4:], "CortexRight")  # told inside, in any order
    both = read_run([right, gifti(tmp_path / "a.gii", values[:, :4], "CortexLeft")])
    np.testing.assert_allclose(both.values, values, rtol=1e-6)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (("x_hemi-L_2.gii", (9, 3), "2000"), "both of the left hemisphere"),
        (("x.gii", (9, 3), "2000"), "does not say which hemisphere"),
        (("x_hemi-R.gii", (8, 3), "2000"), "other numbers of samples: x_hemi-L.gii has 9"),
        (("x_hemi-R.gii", (9, 3), "1500"), "other seconds between two samples"),
    ],
)
def test_hemispheres_that_are_no_pair_are_answered_in_words(tmp_path, other, says):
    rng = np.random.default_rng(0)
    first = gifti(tmp_path / "x_hemi-L.gii", rng.standard_normal((9, 4)))
    name, shape, step = other
    second = gifti(tmp_path / name, rng.standard_normal(shape), step=step)
    with pytest.raises(BrainLensError, match=says):
        read_run([first, second])
    np.save(tmp_path / "y.npy", np.ones((9, 3)))
    with pytest.raises(BrainLensError, match="Only two GIFTI files"):
        read_run([first, tmp_path / "y.npy"])


# ---- a newcomer's folder ---------------------------------------------------------------------------------------------
def study(folder: Path, tr: float = 2.0, onsets: float = 1.0, later: float = 0.0) -> Path:
    """Volumes and events of one person, and a mask that names no run."""
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).standard_normal((3, 2, 2, 9)) + 5
    mask = np.zeros((3, 2, 2))
    mask[0] = 1
    nifti(func / "sub-01_task-fox_space-MNI_desc-brain_mask.nii.gz", mask)
    for run in (1, 2):
        nifti(func / f"sub-01_task-fox_run-{run}_space-MNI_desc-preproc_bold.nii.gz", values, tr=tr)
        words = pd.DataFrame({"onset": [0.5, 1.0, 2.2, 6.0], "duration": 0.3, "word": ["The", "fox", "ran", "home"]})  # fmt: skip
        words[["onset", "duration"]] = words[["onset", "duration"]] * onsets + [later, 0]
        words.to_csv(func / f"sub-01_task-fox_run-{run}_events.tsv", sep="\t", index=False)
    return folder


def test_what_is_missing_from_whom_is_said(tmp_path):
    path = story(tmp_path)
    values = np.random.default_rng(2).standard_normal((12, 3))
    values[4:6, 1] = np.nan
    np.save(tmp_path / "sub-01_run1.npy", values)
    path.write_text(path.read_text().replace('run3 = "sub-02_run3.npy"', ""))
    notes = read_story(path).notes
    assert "sub-02 has no run3: nothing is scored of sub-02 there" in notes
    assert any(
        "sub-01: 2 of 36 samples have no value (NaN) in 1 of 3 targets" in one for one in notes
    )
    assert not any("sub-02: " in one for one in notes)


def test_a_mask_that_names_no_run_counts_and_a_missing_one_is_said(tmp_path):
    found = read_story(study(tmp_path / "a"))
    assert found.n_targets == 4 and any(
        "voxels of sub-01_task-fox_space" in one for one in found.notes
    )
    (tmp_path / "a/sub-01/func/sub-01_task-fox_space-MNI_desc-brain_mask.nii.gz").unlink()
    found = read_story(tmp_path / "a")
    assert found.n_targets == 12
    assert any("no mask for sub-01: every voxel that varies" in note for note in found.notes)


def test_a_header_that_says_something_else_than_what_is_stated_is_noted(tmp_path):
    folder = study(tmp_path / "a")
    (folder / "story.toml").write_text("interval = 2.0\n")
    assert not any("as stated" in note for note in read_story(folder).notes)
    values = np.random.default_rng(0).standard_normal((3, 2, 2, 9)) + 5
    wrong = folder / "sub-01/func/sub-01_task-fox_run-2_space-MNI_desc-preproc_bold.nii.gz"
    nifti(wrong, values, tr=1.5)
    found = read_story(folder)
    (note,) = [note for note in found.notes if "as stated" in note]
    assert found.presentation.interval == 2.0
    assert note.startswith("2 s from one sample to the next") and "says 1.5 s" in note
    assert "the file of sub-01 in" in note
    (folder / "story.toml").unlink()
    with pytest.raises(BrainLensError, match=r"\[1\.5, 2\.0\]"):
        read_story(folder)


def test_the_repetition_time_is_that_of_headers_json_or_story_toml(tmp_path):
    folder = study(tmp_path / "a", tr=0.0)
    with pytest.raises(BrainLensError, match="no file says it"):
        read_story(folder)
    (folder / "task-fox_bold.json").write_text('{"RepetitionTime": 1.5}')
    assert read_story(folder).presentation.interval == 1.5
    (folder / "story.toml").write_text('id = "mine"\ninterval = 2.0\n')  # facts alone
    found = read_story(folder)
    assert (found.presentation.interval, found.id, found.n_targets) == (2.0, "mine", 4)
    assert any("as stated: task-fox_bold.json says 1.5 s" in note for note in found.notes)
    (folder / "story.toml").write_text("intervall = 2.0\n")
    with pytest.raises(BrainLensError, match="'intervall'"):
        read_story(folder)
    milli = study(tmp_path / "b", tr=2000.0)
    with pytest.raises(BrainLensError, match=r"2000 s from one sample to the next.*milliseconds"):
        read_story(milli)
    assert read_story(milli, interval=2.0).presentation.interval == 2.0


@pytest.mark.parametrize(
    ("told", "stated", "says"),
    [
        ({"task-fox_bold": 2.0}, None, ""),
        ({"task-fox_bold": 1.5}, None, "REFUSED task-fox_bold.json says 1.5 s .* signals themselves say 2 s"),
        ({"task-fox_bold": 1.5}, 1.5, "as stated: the file of sub-01 in task-fox_run-1 and 1 more says 2 s"),
        ({"task-fox_bold": 1.5}, 2.0, "as stated: task-fox_bold.json says 1.5 s"),
        ({"sub-01/func/sub-01_task-fox_run-1_bold": 1.5, "task-fox_bold": 2.0}, None,
         "as the signals say: sub-01_task-fox_run-1_bold.json says 1.5 s"),
        ({"task-fox_bold": "2.0 s"}, None, "task-fox_bold.json says no time between two samples that can be read"),
        ({"task-fox_bold": -2}, None, "says no time"),
        ({"task-fox_bold": None}, None, "says no time"),
    ],
)  # fmt: skip
def test_json_beside_the_signals_is_held_against_headers_and_what_is_stated(
    tmp_path, told, stated, says
):
    folder = study(tmp_path / "a")
    for name, seconds in told.items():
        (folder / f"{name}.json").write_text(json.dumps({"RepetitionTime": seconds}))
    if stated:
        (folder / "story.toml").write_text(f"interval = {stated}\n")
    try:
        notes = [note for note in read_story(folder).notes if not note.startswith("voxels of")]
    except BrainLensError as error:
        notes = [f"REFUSED {error}"]
    assert len(notes) == bool(says) and all(re.search(says, note) for note in notes), notes


def test_json_of_the_same_name_is_read_beside_what_a_story_toml_names(tmp_path):
    path = story(tmp_path)
    (tmp_path / "sub-01_run1.json").write_text('{"RepetitionTime": 1.5}')
    said = " ".join(read_story(path).notes)
    assert "2 s from one sample to the next, as stated: sub-01_run1.json says 1.5 s" in said


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (dict(onsets=1000.0), "milliseconds, not seconds"),
        (dict(later=500.0), "No word falls inside the samples: words from 500.5 to 506.3 s, .* 0 to 18 s.* offset = -500 puts"),
    ],
)  # fmt: skip
def test_words_that_cannot_be_of_these_samples_are_refused(tmp_path, how, says):
    with pytest.raises(BrainLensError, match=says):
        read_story(study(tmp_path, **how))


def test_people_who_heard_other_words_in_a_run_are_refused(tmp_path):
    folder = study(tmp_path)
    (folder / "sub-01").rename(folder / "sub-02")
    for path in (folder / "sub-02" / "func").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))
    study(folder)
    assert read_story(folder).n_targets == 8
    table = folder / "sub-02/func/sub-02_task-fox_run-2_events.tsv"
    table.write_text(table.read_text().replace("fox", "dog"))
    with pytest.raises(
        BrainLensError, match="task-fox_run-2 has other words in sub-02_task-fox_run-2_events"
    ):
        read_story(folder)


def test_a_damaged_series_and_a_shifted_mask_are_said(tmp_path):
    func = study(tmp_path) / "sub-01" / "func"
    path = func / "sub-01_task-fox_run-1_space-MNI_desc-preproc_bold.nii.gz"
    whole = path.read_bytes()
    nifti(path, np.random.default_rng(0).standard_normal((9, 9, 9, 9)))
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(BrainLensError, match="is damaged"):
        read_story(tmp_path)
    path.write_bytes(whole)
    mask = func / "sub-01_task-fox_space-MNI_desc-brain_mask.nii.gz"
    image = nibabel.load(mask)
    affine = image.affine.copy()
    affine[0, 3] += 6
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), mask)
    with pytest.raises(BrainLensError, match=r"another space.*first voxel at"):
        read_story(tmp_path)


def test_a_column_of_conditions_in_the_place_of_words_is_doubted(tmp_path):
    rows = "".join(f"{0.2 * k:.1f}\t0.1\tspeech\n" for k in range(60))
    (tmp_path / "w.tsv").write_text("onset\tduration\ttrial_type\n" + rows)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((9, 2)))
    (tmp_path / "story.toml").write_text(
        'interval = 2.0\n[words]\nr = "w.tsv"\n[people.p1]\nr = "a.npy"\n'
    )
    said = drawn(read_story(tmp_path))
    assert "only one word, again and again" in said and "2 targets of 1 person" in said


def test_what_was_understood_is_drawn(tmp_path):
    text = drawn(read_story(story(tmp_path, n=3)))
    assert "fox: 3 runs, 9 samples of 2 s, 6 targets of 2 people, 12 words" in text
    assert "run run1: 3 samples, 0 to 6 s; words from 0.5 to 6.9 s" in text
    assert "0 words before the first sample and 1 after the last" in text


def test_a_story_is_checked_on_the_command_line(tmp_path):
    from click.testing import CliRunner

    from dashboards.command.cli import main

    done = CliRunner().invoke(main, ["data", "check", str(story(tmp_path, n=40))])
    assert done.exit_code == 0, done.output
    assert "3 runs, 120 samples" in done.output and "cannot be told" in done.output


# ---- real people -----------------------------------------------------------------------------------------------------
@pytest.mark.realdata
def test_alice_is_what_its_authors_shared():
    mirror = os.environ.get("BRAINLENS_MIRROR")
    if not mirror or not (Path(mirror) / "alice2016").is_dir():
        pytest.skip("needs alice2016 in BRAINLENS_MIRROR")
    from analysis.features.time import detrended
    from data.catalog.catalog import recording

    alice = recording("alice2016")
    assert alice.responses.shape == (362, 162) and len(alice.presentation.words) == 2127
    assert any("s33" in note for note in alice.notes)
    read = alice.reading()
    told = "".join(blank + text for blank, text in zip(read.before, read.texts))
    assert "and what's the use of a book" in told and " 's" not in told and " n't" not in told
    values = detrended(
        alice.responses.values, np.arange(362), alice.stimuli["run"], 2.0, 128.0, scale=True
    ).reshape(362, 27, 6)
    others = (values.sum(axis=1, keepdims=True) - values) / 26
    isc = [
        np.mean([np.corrcoef(values[:, s, k], others[:, s, k])[0, 1] for s in range(27)])
        for k in range(6)
    ]
    np.testing.assert_allclose(isc, [0.286, 0.233, 0.409, 0.274, 0.257, 0.208], atol=0.002)
    rate, mean = alice.stimuli["rate_convolved"].to_numpy(), values.mean(axis=1)
    found = [np.corrcoef(rate, mean[:, k])[0, 1] for k in range(6)]
    np.testing.assert_allclose(found, [0.41, 0.41, 0.46, 0.49, 0.49, 0.43], atol=0.01)


@pytest.mark.realdata
def test_the_doctor_of_stories_finds_the_twenty_seconds():
    mirror = os.environ.get("BRAINLENS_MIRROR")
    if not mirror or not (Path(mirror) / "alice2016").is_dir():
        pytest.skip("needs alice2016 in BRAINLENS_MIRROR")
    from analysis.answers.word_times import word_times
    from data.catalog.catalog import recording

    right, late = word_times(recording("alice2016")), word_times(recording("alice2016", words_at=0))
    assert right.facts["verdict"] == "right" and right.facts["add"] == 0
    assert late.facts["verdict"] == "shifted" and late.facts["add"] == -20
    assert "run 20 s late: subtract 20 s (10 samples)" in late.sentence
