"""Epochs around each word: their files, the words that belong to them, several people, and what is wrong with them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data.catalog import own_epochs
from data.catalog.catalog import entries, recording, remove
from data.catalog.own_story import Part
from data.errors import BrainLensError
from data.home import home
from data.stories.epoch_files import holds_epochs, read_epochs
from data.stories.report import drawn
from data.stories.story import read_story

WORDS = ["The", "fox", "ran", "home", "and", "slept"]
LAGS = np.arange(-20.0, 81.0, 20.0)  # ms


def cube(seed: int = 0, n: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 2, len(LAGS))).astype(np.float32)


def table_of(values: np.ndarray, time: str = "lag", scale: float = 1.0) -> pd.DataFrame:
    """As MNE's ``to_data_frame`` gives them: a row for each epoch and time."""
    rows = [
        {"epoch": epoch, time: lag * scale, "word": WORDS[epoch], "story": "one", "Cz": one[0, at], "Pz": one[1, at]}
        for epoch, one in enumerate(values)
        for at, lag in enumerate(LAGS)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def fif(path, values: np.ndarray, *, dropped=(), metadata: bool = False, extra: bool = False):
    mne = pytest.importorskip("mne")
    info = mne.create_info(
        ["Cz", "Pz", *(["EOG"] if extra else [])], 50, ["eeg", "eeg", *(["eog"] if extra else [])]
    )
    if extra:
        values = np.concatenate([values, values[:, :1]], axis=1)
    meta = (
        pd.DataFrame({"word": WORDS[: len(values)], "item": range(len(values))})
        if metadata
        else None
    )
    made = mne.EpochsArray(values, info, tmin=LAGS[0] / 1000, metadata=meta, verbose="error")  # fmt: skip
    made.drop(list(dropped), verbose="error")
    made.save(path, overwrite=True, verbose="error")
    return path


def kinds(folder) -> dict[str, object]:
    """The same epochs in every form."""
    values = cube()
    words = np.array(WORDS)
    np.savez(folder / "a.npz", eeg=values, lag=LAGS, channel=np.array(["Cz", "Pz"]), word=words)
    xr.DataArray(
        values,
        dims=("epoch", "channel", "time"),
        coords={"channel": ["Cz", "Pz"], "time": LAGS / 1000, "word": ("epoch", words)},
        name="eeg",
    ).to_netcdf(folder / "a.nc", engine="h5netcdf")
    table_of(values).to_csv(folder / "wide.csv", index=False)
    long = table_of(values, "time", 0.001).melt(
        ["epoch", "time", "word", "story"], ["Cz", "Pz"], "channel", "value"
    )
    long.to_csv(folder / "long.tsv", index=False, sep="\t")
    return {name: folder / name for name in ("a.npz", "a.nc", "wide.csv", "long.tsv")}


@pytest.mark.parametrize("name", ["a.npz", "a.nc", "wide.csv", "long.tsv"])
def test_every_form_of_the_same_epochs_is_the_same_recording(tmp_path, name):
    path = kinds(tmp_path)[name]
    assert holds_epochs(path)
    found = recording(path)
    assert found.texts == WORDS and found.kind == "eeg"
    assert found.responses["lag"].values[: len(LAGS)].tolist() == LAGS.tolist()
    assert found.responses["electrode"].values[0].endswith(".Cz")
    np.testing.assert_allclose(found.responses.values, cube().reshape(6, -1), rtol=1e-5)


def test_an_array_without_times_is_told_them_and_words_stand_beside(tmp_path):
    np.save(tmp_path / "p1.npy", cube())
    (tmp_path / "words.csv").write_text("word,story\n" + "".join(f"{one},a\n" for one in WORDS))
    bound = 'words = "words.csv"\n{}[epochs]\np1 = "p1.npy"\n'
    (tmp_path / "story.toml").write_text(bound.format(""))
    with pytest.raises(BrainLensError, match=r"times of its 6 samples are not told.*first_lag"):
        recording(tmp_path)
    (tmp_path / "story.toml").write_text(bound.format("first_lag = -20\nlag_step = 20\n"))
    found = recording(tmp_path)
    assert found.responses["lag"].values[:6].tolist() == LAGS.tolist()
    assert found.responses["electrode"].values[0] == "p1.ch1"


def test_of_mne_only_channels_of_the_brain_count_and_dropped_words_stay_as_text(tmp_path):
    fif(tmp_path / "sub-01_fox-epo.fif", cube(1), dropped=[1, 4], extra=True)
    fif(tmp_path / "sub-02_fox-epo.fif", cube(2), dropped=[0])
    (tmp_path / "words.tsv").write_text("word\n" + "\n".join(WORDS) + "\n")
    (tmp_path / "story.toml").write_text(
        'id = "fox"\nwords = "words.tsv"\n[epochs]\nsub-01 = "sub-01_fox-epo.fif"\nsub-02 = "sub-02_fox-epo.fif"\n'
    )
    found = read_story(tmp_path)
    assert found.texts == WORDS and found.responses.shape == (6, 24) and not found.sampled
    mine = found.responses.values[:, found.subjects == "sub-01"]
    assert np.isnan(mine[[1, 4]]).all() and np.isfinite(mine[[0, 2, 3, 5]]).all()
    np.testing.assert_allclose(mine[5], cube(1)[5].ravel(), rtol=1e-5)
    said = drawn(found)
    assert "6 epochs" in said and "4 channels of 2 people, 6 lags from -20 to 80 ms by 20" in said
    assert "sub-01: 1 channels were left out" in said and "no baseline was taken off" in said
    assert "sub-01: 2 words have no epoch" in said


def test_people_who_lost_other_epochs_are_brought_together_by_their_items(tmp_path):
    for who, lost in (("sub-01", [1]), ("sub-02", [5])):
        (tmp_path / who / "eeg").mkdir(parents=True)
        fif(tmp_path / who / "eeg" / f"{who}_task-fox_epo.fif", cube(), dropped=lost, metadata=True)
    found = recording(tmp_path)  # a folder of BIDS names
    assert found.texts == WORDS and set(found.subjects) == {"sub-01", "sub-02"}
    empty = np.isnan(found.responses.values).all
    assert np.isnan(found.responses.values[1, found.subjects == "sub-01"]).all()
    assert np.isnan(found.responses.values[5, found.subjects == "sub-02"]).all()
    assert not empty(axis=1).any()


def test_words_of_a_table_find_their_epochs_by_number(tmp_path):
    values = cube()
    table = table_of(values).drop(columns=["word", "story"])
    table[table["epoch"] != 2].to_csv(tmp_path / "p1.csv", index=False)
    words = pd.DataFrame({"word": WORDS, "epoch": range(6)})
    words.to_csv(tmp_path / "words.csv", index=False)
    found = recording(tmp_path / "p1.csv", words=tmp_path / "words.csv")
    assert found.texts == WORDS and np.isnan(found.responses.values[2]).all()
    np.testing.assert_allclose(found.responses.values[3], values[3].ravel(), rtol=1e-5)


def wrong(folder, what: str):
    values, path = cube(), folder / "p1.csv"
    table = table_of(values)
    if what == "ms":
        table_of(values, "time").to_csv(path, index=False)
    elif what == "s":
        table_of(values, "lag", 0.001).to_csv(path, index=False)
    elif what == "words":
        table.drop(columns="word").to_csv(path, index=False)
    elif what == "channels":
        table[["epoch", "lag", "word"]].to_csv(path, index=False)
    elif what == "twice":
        pd.concat([table, table.iloc[:1]]).to_csv(path, index=False)
    elif what == "uneven":
        table.iloc[:-1].to_csv(path, index=False)
    elif what == "empty word":
        table.assign(word=table["word"].where(table["epoch"] != 3)).to_csv(path, index=False)
    elif what == "turned":
        path = folder / "p1.npz"
        np.savez(path, eeg=values.transpose(0, 2, 1)[:, :5], lag=np.arange(5) * 20.0, word=WORDS)
    elif what == "two":
        path = folder / "p1.npz"
        np.savez(path, a=values, b=values, lag=LAGS, word=WORDS)
    elif what == "dims":
        path = folder / "p1.nc"
        xr.DataArray(values, dims=("epoch", "channel", "lag")).rename("a").to_netcdf(
            path, engine="h5netcdf"
        )
    return path


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("ms", r"'time' goes from -20 to 80: these look like milliseconds.*'lag'"),
        ("s", r"'lag' goes from -0.02 to 0.08: these look like seconds.*'time'"),
        ("words", r"not known which word each epoch belongs to: there is no column 'word'.*story"),
        ("channels", "no column of a channel"),
        ("twice", "epoch 0, Cz, stands 2 times at -20 ms"),
        ("uneven", "epoch 5, Cz, has no value at 80 ms"),
        ("empty word", "rows have no word, first row 4"),
        ("turned", r"shape \(6, 5, 2\): its 5 times are those of dimension 2"),
        ("two", "2 arrays of three dimensions"),
        ("dims", "times of its 6 samples are not told"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_in_words(tmp_path, what, says):
    with pytest.raises(BrainLensError, match=says):
        recording(wrong(tmp_path, what))


def test_words_and_people_that_do_not_go_together_are_refused(tmp_path):
    table_of(cube()).to_csv(tmp_path / "p1.csv", index=False)
    other = table_of(cube(1))
    other.assign(word=other["word"].replace("fox", "dog")).to_csv(tmp_path / "p2.csv", index=False)
    (tmp_path / "story.toml").write_text('[epochs]\np1 = "p1.csv"\np2 = "p2.csv"\n')
    with pytest.raises(BrainLensError, match="words of p2 are not those of p1: row 2 is 'dog', not 'fox'"):  # fmt: skip
        recording(tmp_path)
    other.assign(lag=other["lag"] * 2).to_csv(tmp_path / "p2.csv", index=False)
    with pytest.raises(BrainLensError, match="p2 has other lags than p1: 6 from -40 to 160 ms"):
        recording(tmp_path)
    (tmp_path / "words.csv").write_text("word\nThe\nfox\n")
    with pytest.raises(BrainLensError, match="6 epochs, its words 2 rows"):
        recording(tmp_path / "p1.csv", words=tmp_path / "words.csv")
    with pytest.raises(BrainLensError, match=r"takes no responses='Cz'"):
        recording(tmp_path / "p1.csv", responses="Cz")
    (tmp_path / "story.toml").write_text('colour = "red"\n[epochs]\np1 = "p1.csv"\n')
    with pytest.raises(BrainLensError, match="'colour'"):
        recording(tmp_path)


def test_tables_of_something_else_are_no_epochs(tmp_path):
    (tmp_path / "a.csv").write_text("sentence,topic,left\nBees live.,bees,0.1\n")
    (tmp_path / "b.csv").write_text("time,LIFG\n0,1\n2,3\n")
    np.savez(tmp_path / "c.npz", responses=np.zeros((3, 2)))
    assert not any(map(holds_epochs, tmp_path.iterdir()))
    with pytest.raises(BrainLensError, match="kind of epochs file"):
        (tmp_path / "d.edf").write_bytes(b"")
        read_epochs(tmp_path / "d.edf")


# ---- dropped onto the page ---------------------------------------------------------------------------------------------
def dropped(folder) -> dict[str, bytes]:
    for who in ("sub-01", "sub-02"):
        fif(folder / f"{who}_task-fox-epo.fif", cube(int(who[-1])))
    (folder / "words.tsv").write_text("word\tstory\n" + "".join(f"{one}\ta\n" for one in WORDS))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_dropped_epochs_are_told_from_other_files(tmp_path):
    for name, path in kinds(tmp_path).items():
        assert own_epochs.is_epochs_drop({name: path.read_bytes()}), name
    flat = io.BytesIO()
    np.savez(flat, responses=np.zeros((3, 2)))
    others = {
        "a.npz": flat.getvalue(), "b.nc": b"junk", "c.npy": b"junk", "d.npz": b"junk",
        "e.csv": b"time,LIFG\n0,1\n", "story.toml": b"[words]\n", "f.nii.gz": b"",
    }  # fmt: skip
    assert not any(own_epochs.is_epochs_drop({name: content}) for name, content in others.items())
    assert own_epochs.is_epochs_drop({"story.toml": b'[epochs]\na = "a.npy"\n'})


def test_dropped_epochs_are_bound_kept_and_read_as_from_the_command_line(clean_home, tmp_path):
    files = dropped(tmp_path)
    path, parts, facts = own_epochs.stage_epochs(files)
    assert parts == [
        Part("sub-01_task-fox-epo.fif", "epochs", "", "sub-01"),
        Part("sub-02_task-fox-epo.fif", "epochs", "", "sub-02"),
        Part("words.tsv", "words"),
    ]
    own_epochs.write_epochs(path, parts, facts)
    assert own_epochs.understood_epochs(path).texts == WORDS
    one = own_epochs.keep_epochs(path, "The Fox", parts, {"quality": "pilot"})
    assert one.id == "the-fox" and one.state == "ready" and one.traps[0] == "pilot"
    found = recording("the-fox")
    (tmp_path / "story.toml").write_text(
        'words = "words.tsv"\n[epochs]\n'
        + "".join(f'{who} = "{who}_task-fox-epo.fif"\n' for who in ("sub-01", "sub-02"))
    )
    assert found.response_hash == recording(tmp_path).response_hash and found.quality == "pilot"
    assert remove("the-fox") > 0 and "the-fox" not in entries()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"words.tsv": None, "story.toml": b'[epochs]\na = "x.fif"\n'}, "names 'x.fif', which was not dropped"),
        ({"notes.docx": b""}, "'notes.docx' holds no epochs and no words"),
        ({"story.toml": b"[epochs"}, "story.toml cannot be read"),
    ],
)  # fmt: skip
def test_a_drop_that_is_not_whole_is_said_and_nothing_stays(clean_home, tmp_path, change, says):
    files = {**dropped(tmp_path), **change}
    with pytest.raises(BrainLensError, match=says):
        own_epochs.stage_epochs({name: one for name, one in files.items() if one is not None})
    assert not list(home("recordings", "own").glob(".staged-*"))


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([Part("a.fif", "epochs")], "a.fif: its person is not said"),
        ([Part("a.fif", "epochs", "", "a"), Part("b.fif", "epochs", "", "a")], "said to be the epochs of a"),
        ([Part("a.fif", "epochs", "", "a"), Part("w.tsv", "words", "", "b")], "no epochs are of the person 'b'"),
        ([Part("w.tsv", "words")], "no epochs among w.tsv"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_said(tmp_path, parts, says):
    with pytest.raises(BrainLensError, match=says):
        own_epochs.write_epochs(tmp_path / "story.toml", parts, {})


def test_epochs_written_to_netcdf_keep_what_is_known_of_each_target(tmp_path):
    from data.catalog.catalog import recording
    from data.own.read import read
    from data.own.write import write

    first = recording("simulated-ecog")
    again = read(write(first, tmp_path / "epochs.nc"))
    np.testing.assert_array_equal(again.responses["lag"].values, first.responses["lag"].values)
    for name in ("electrode", "region", "subject"):
        assert list(again.responses[name].values) == list(map(str, first.responses[name].values))
    np.testing.assert_allclose(again.responses.values, first.responses.values)
