"""Stories of laboratories and epochs, read from small files of the same layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.catalog.catalog import entry, recording
from data.errors import BrainLensError
from data.readers.lab_stories import FIRST_SAMPLE, lebel2023, lebel2023_repeats, podcast_ecog
from data.stories.story import read_story


def textgrid(path: Path, words: list[tuple[float, float, str]]) -> Path:
    ends = "".join(f'{a}\n{b}\n"{w}"\n' for a, b, w in words)
    path.write_text(
        f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{words[-1][1]}\n<exists>\n2\n"IntervalTier"\n"phone"\n0\n'
        f'{words[-1][1]}\n1\n0\n{words[-1][1]}\n"sp"\n"IntervalTier"\n"word"\n0\n{words[-1][1]}\n{len(words)}\n{ends}'
    )
    return path


@pytest.fixture
def lebel(tmp_path):
    import h5py

    rng, paths = np.random.default_rng(0), []
    (tmp_path / "UTS04").mkdir()
    for story, n in (("eyespy", 20), ("sloth", 25)):
        values = rng.standard_normal((n, 6))
        values[:, 2] = 0  # a voxel that does not vary
        with h5py.File(tmp_path / "UTS04" / f"{story}.hf5", "w") as file:
            file["data"] = values
        paths.append(tmp_path / "UTS04" / f"{story}.hf5")
        words = [(float(i), i + 0.8, f"w{i}") for i in range(n * 2)]
        paths.append(textgrid(tmp_path / f"{story}.TextGrid", words))
    return paths


def test_lebel_has_a_run_a_story_and_words_ten_seconds_earlier(lebel):
    found = lebel2023(lebel)
    assert found.responses.shape == (45, 5) and list(dict.fromkeys(found.stimuli["run"])) == [
        "eyespy",
        "sloth",
    ]
    assert set(found.subjects) == {"UTS04"} and found.presentation.interval == 2.0
    assert found.presentation.words["onset"].iloc[0] == -FIRST_SAMPLE
    assert found.stimuli["text"].iloc[0] == "w10 w11"  # heard 10 s into the sound
    assert any("1 of 6 voxels" in note for note in found.notes)
    with pytest.raises(BrainLensError, match="No TextGrid for sloth"):
        lebel2023(lebel[:3])


@pytest.fixture
def podcast(tmp_path):
    mne = pytest.importorskip("mne")
    rate, seconds = 512, 20
    signal = np.zeros((2, rate * seconds))
    onsets = np.arange(2.0, 18.0, 1.0)
    for onset in onsets:  # electrode A answers 300 ms after each word
        signal[0, int((onset + 0.3) * rate) : int((onset + 0.35) * rate)] = 1
    info = mne.create_info(["A", "B"], rate, "ecog")
    for one, place in zip(info["chs"], ((-0.05, 0.02, 0.01), (0.05, 0.02, 0.01))):
        one["loc"][:3] = place
    path = tmp_path / "sub-01_task-podcast_desc-highgamma_ieeg.fif"
    mne.io.RawArray(signal, info, verbose="error").save(path, verbose="error")
    words = pd.DataFrame(
        {"word": [f"w{i}" for i in range(len(onsets))], "start": onsets, "end": onsets + 0.2}
    )
    words.to_csv(tmp_path / "podcast_transcript.csv", index=False)
    return [path, tmp_path / "podcast_transcript.csv"]


@pytest.mark.filterwarnings("ignore")
def test_the_podcast_is_cut_around_its_words(podcast):
    found = podcast_ecog(podcast)
    assert found.n_stimuli == 16 and found.n_targets == 2 * 40 and found.kind == "ecog"
    mean = pd.Series(found.responses.values.mean(axis=0), index=found.responses["lag"].values)
    own = found.responses["electrode"].values == "sub-01.A"
    assert mean[own].idxmax() == 325.0 and mean[~own].abs().max() == 0
    assert found.responses["x"].values[0] == pytest.approx(-50, abs=0.1)
    with pytest.raises(BrainLensError, match="needs a transcript"):
        podcast_ecog(podcast[:1])
    table = pd.read_csv(podcast[1])
    table.loc[3, ["start", "end"]] = (
        np.nan
    )  # the transcript has words that nobody aligned, and is not in order
    table.iloc[::-1].to_csv(podcast[1], index=False)
    again = podcast_ecog(podcast)
    assert again.texts == [text for text in found.texts if text != "w3"]
    assert any("1 words of the transcript have no time" in note for note in again.notes)


@pytest.mark.filterwarnings("ignore")
def test_epochs_of_ones_own_are_a_recording(tmp_path):
    mne = pytest.importorskip("mne")
    rng = np.random.default_rng(0)
    info = mne.create_info(["Cz", "Pz"], 100, "eeg")
    epochs = mne.EpochsArray(rng.standard_normal((6, 2, 11)), info, tmin=-0.05, verbose="error")
    path = tmp_path / "p1_words-epo.fif"
    epochs.save(path, overwrite=True, verbose="error")
    with pytest.raises(BrainLensError, match="which word each epoch belongs to"):
        recording(path)
    table = pd.DataFrame({"word": list("abcdef"), "story": ["one"] * 3 + ["two"] * 3})
    table.to_csv(tmp_path / "p1_words-epo.tsv", sep="\t", index=False)
    found = recording(path)
    assert (
        found.responses.shape == (6, 22)
        and found.texts == list("abcdef")
        and found.context == "story"
    )
    assert found.responses["lag"].values[:3].tolist() == [-50, -40, -30] and set(
        found.subjects
    ) == {"p1"}
    kept = epochs.get_data(copy=False)
    np.testing.assert_allclose(found.responses.values[0, :11], kept[0, 0], rtol=1e-5)
    table.iloc[:5].to_csv(tmp_path / "p1_words-epo.tsv", sep="\t", index=False)
    with pytest.raises(BrainLensError, match="6 epochs, its words 5 rows"):
        recording(path)


@pytest.fixture
def listens(tmp_path):
    """Three listens of one story: half of the variance of the first voxels comes again, nothing of the last two."""
    import h5py

    rng, n, voxels = np.random.default_rng(3), 150, 12
    shared = rng.standard_normal((n, voxels)) * (np.arange(voxels) < 10)
    values = shared + rng.standard_normal((3, n, voxels))
    values[1, :, 4] = 0.5  # does not vary in one of them
    (tmp_path / "UTS03").mkdir()
    path = tmp_path / "UTS03" / "smoke.hf5"
    with h5py.File(path, "w") as file:
        file["individual_repeats"], file["data"] = values, values.mean(axis=0)
    words = [(float(i), i + 0.8, f"w{i % 40}") for i in range(2 * n)]
    return [path, textgrid(tmp_path / "smoke.TextGrid", words)]


def test_listens_of_one_story_are_targets_and_give_a_ceiling(listens):
    from analysis import preset
    from analysis.ceiling.listens import heard_again, listens_ceiling

    found = lebel2023_repeats(listens)
    assert found.responses.shape == (150, 33) and set(found.subjects) == {"UTS03"}
    assert found.responses["listen"].values.tolist() == [1] * 11 + [2] * 11 + [3] * 11
    assert any("1 of 12 voxels" in note for note in found.notes) and heard_again(found)
    assert found.timed.words["onset"].iloc[0] == -FIRST_SAMPLE and found.group is None
    bound = listens_ceiling(found, preset("story").but(bootstrap=200))
    by_voxel = pd.Series(bound.per_target, index=found.responses["voxel"].values)
    assert by_voxel.groupby(level=0).nunique().eq(1).all()
    assert by_voxel[:9].mean() == pytest.approx(np.sqrt(0.5), abs=0.05)  # rho .5
    assert abs(by_voxel[[10, 11]].mean()) < 0.3 and bound.low < bound.value < bound.high
    assert bound.kind == "repeats" and "single listens" in bound.flag
    import h5py

    with h5py.File(listens[0], "a") as file:
        del file["individual_repeats"]
    with pytest.raises(BrainLensError, match="no array 'individual_repeats' of two listens"):
        lebel2023_repeats(listens)


def test_a_score_of_listens_stands_beside_their_ceiling(listens, tmp_path):
    from analysis import preset, score
    from analysis.store.store import Store

    quick = preset("story").but(
        seeds=1, bootstrap=50, folds=4, inner_folds=2, unique=False, controls=(), shuffled_twin=False, alphas=(1e2, 1e4)
    )  # fmt: skip
    found = score("random-8", lebel2023_repeats(listens), quick, store=Store(tmp_path / "s"))
    assert found.ceiling.kind == "repeats" and abs(found.value) < 0.15 < found.ceiling.value


@pytest.mark.parametrize("name", ["lebel2023", "lebel2023-repeats", "podcast-ecog"])
def test_the_catalogue_says_that_nobody_read_the_original(name):
    one = entry(name)
    assert (
        any("layout untested on the original" in trap for trap in one.traps)
        and one.licence == "CC0"
    )
    assert all(
        file.url.startswith("https://s3.amazonaws.com/openneuro.org/ds00") for file in one.files
    )
    assert all(
        file.size and file.hash[0] in ("md5", "sha256") for file in one.files
    )  # git-annex keys


# ---- collections that come in by the general reader ----------------------------------------------------------------------
def volumes(path: Path, seed: int, *, n: int = 30, tr: float = 1.5) -> None:
    import nibabel

    values = np.random.default_rng(seed).standard_normal((2, 2, 2, n)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    image.header.set_zooms((3, 3, 3, tr))
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def test_a_story_of_narratives_is_read_with_its_masks_and_its_older_confounds(tmp_path):
    """Named as fMRIPrep 20.0 named them; the words are those of an aligned transcript."""
    import nibabel

    folder = tmp_path / "pieman"
    for seed, person in enumerate(("001", "002")):
        stem = folder / f"sub-{person}" / "func" / f"sub-{person}_task-pieman"
        space = f"{stem}_space-MNI152NLin2009cAsym_res-native_desc-"
        volumes(Path(f"{space}preproc_bold.nii.gz"), seed)
        mask = nibabel.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.diag([3.0, 3, 3, 1]))
        nibabel.save(mask, f"{space}brain_mask.nii.gz")
        moved = pd.DataFrame(
            np.random.default_rng(seed).standard_normal((30, 7)),
            columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf"],
        )
        moved.to_csv(f"{stem}_desc-confounds_regressors.tsv", sep="\t", index=False)
    aligned = [
        {"word": f"word{i}", "case": "success", "start": 1.0 + i, "end": 1.4 + i} for i in range(35)
    ]
    aligned.insert(3, {"word": "lost", "case": "not-found-in-audio"})
    told = pd.DataFrame(aligned)
    found = told[told["case"] == "success"]
    words = pd.DataFrame(
        {"onset": found["start"], "duration": found["end"] - found["start"], "word": found["word"]}
    )
    words.to_csv(folder / "task-pieman_events.tsv", sep="\t", index=False)
    story = read_story(folder)
    assert story.responses.shape == (30, 16) and story.presentation.interval == 1.5
    assert len(story.presentation.words) == 35 and len(story.presentation.nuisance) == 6


def test_sections_of_the_little_prince_are_runs(tmp_path):
    binding = ['id = "little-prince-en"', "interval = 2.0", 'language = "en"', "[words]"]
    people = ["[people.EN057]"]
    for section in (1, 2):
        words = pd.DataFrame({"word": [f"w{i}" for i in range(40)], "onset": np.arange(40) + 0.5})
        words.assign(offset=words["onset"] + 0.3).to_csv(
            tmp_path / f"section{section}.csv", index=False
        )
        volumes(tmp_path / f"sub-EN057_run-{14 + section}.nii.gz", section, tr=2.0)
        binding.append(f'section{section} = "section{section}.csv"')
        people.append(f'section{section} = "sub-EN057_run-{14 + section}.nii.gz"')
    (tmp_path / "story.toml").write_text("\n".join([*binding, *people]))
    story = read_story(tmp_path / "story.toml")
    assert story.responses.shape == (60, 8) and set(story.subjects) == {"EN057"}
    assert list(dict.fromkeys(story.stimuli["run"])) == ["section1", "section2"]
