"""A story dropped onto the page: what each file is, what is missing, what was understood, and into the library."""

from __future__ import annotations

import io
import re
import time
import tomllib
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest

from dashboards.library.story_form import EpochsForm
from data.catalog.catalog import recording
from data.readers.simulated import hrf
from tests.dashboards.conftest import nameless, settle
from tests.dashboards.test_library import words

TR, SAMPLES = 2.0, 150


def table(moved: float = 0.0) -> str:
    """Words in spells of speech and silence."""
    rng = np.random.default_rng(1)
    rows, at = ["onset\tduration\tword"], 4.0
    while at < SAMPLES * TR - 20:
        for _ in range(rng.integers(3, 20)):
            rows.append(f"{at + moved:.2f}\t0.25\tword{len(rows)}")
            at += 0.35
        at += rng.uniform(2, 14)
    return "\n".join(rows) + "\n"


def heard(seed: int) -> bytes:
    """What three places of a person make of those words."""
    onsets = np.array([float(row.split("\t")[0]) for row in table().splitlines()[1:]])
    counts = np.histogram(onsets, bins=np.arange(SAMPLES + 1) * TR)[0]
    rng = np.random.default_rng(seed)
    signal = np.convolve(counts, hrf(TR))[:SAMPLES, None] + rng.standard_normal((SAMPLES, 3))
    kept = io.BytesIO()
    np.save(kept, signal)
    return kept.getvalue()


def files(moved: float = 0.0) -> dict[str, bytes]:
    return {
        "fox_words.tsv": table(moved).encode(),
        "sub-01_bold.npy": heard(1),
        "sub-02_bold.npy": heard(2),
    }


def test_a_story_is_bound_checked_moved_and_added(library):
    upload = library.upload
    upload.take(files(moved=20.0))
    settle(library, lambda: upload.story and "cannot be used" in words(upload.story.report))
    story = upload.story
    said = words(story.report)
    assert (
        "Fill in 'Seconds between samples (TR)'" in said
    )  # the page's words, and no folder of the server
    assert "story.toml" not in said and ".staged" not in said
    story.boxes["interval"].value = "two"
    assert "'two'" in words(story.report) and story._add.disabled
    story.boxes["interval"].value = "2"
    settle(library, lambda: "It can be used" in words(story.report))
    assert "1 run, 150 samples of 2 s, 6 targets of 2 people" in words(story.report)
    settle(library, lambda: "word times run" in words(story.report).lower())
    assert "write -20 under 'Seconds added to the words'" in words(story.report)
    story.boxes["offset"].value = "-20"
    settle(library, lambda: "stand where" in words(story.report) and not story._add.disabled)
    story.files[-1].role.value = "left out"
    settle(library, lambda: "3 targets of 1 person" in words(story.report))
    story.files[-1].role.value = "signal"
    story.files[-1].person.value = "sub-01"
    settle(library, lambda: "Two files are said to be the signal of sub-01" in words(story.report))
    story.files[-1].person.value = "sub-02"
    story.boxes["name"].value, story.boxes["quality"].value = "fox", "pilot"
    settle(library, lambda: "It can be used" in words(story.report))
    story.add()
    settle(library, lambda: "fox" in library.recordings.ids)
    assert library.selection.recording == "fox" and upload.story is None
    kept = recording("fox")
    assert kept.sampled and kept.responses.shape == (150, 6) and kept.quality == "pilot"
    assert kept.presentation.words["onset"].iloc[0] == pytest.approx(4.0)
    settle(library, lambda: "pilot" in words(library._card))
    assert library.selection.preset == "story"  # the one that opens would refuse it
    library.use_recording("simulated")
    assert library.selection.preset == "defended"
    library.selection.changes = {"folds": 3}
    library.use_recording("fox")
    assert library.selection.preset == "defended"  # what was chosen by hand stays


def test_words_far_from_the_scan_are_moved_with_the_control_of_the_page(library):
    upload = library.upload
    upload.take(files(moved=900.0))
    settle(library, lambda: upload.story and "cannot be used" in words(upload.story.report))
    upload.story.boxes["interval"].value = "2"
    settle(library, lambda: "No word falls inside" in words(upload.story.report))
    said = words(upload.story.report)
    assert "fill in 'Seconds added to the words': -904" in said and "story.toml" not in said


def test_a_story_that_is_not_whole_is_said_and_nothing_stays(library):
    upload = library.upload
    upload.take({"fox.TextGrid": b""})
    settle(library, lambda: library.desk.errors.objects)
    assert "no signal among fox.textgrid" in str(library.desk.errors.objects[0].says)
    assert upload.story is None and upload._place.visible


def test_a_late_file_of_the_same_drop_leaves_what_was_typed(library, monkeypatch):
    upload, every = library.upload, files()
    (late, content), *early = reversed(every.items())

    def came(found: dict):
        upload._dropped(SimpleNamespace(new=found))
        settle(library, lambda: upload.story and len(upload.story.files) == len(found))

    monkeypatch.setattr("dashboards.library.upload._ONE_DROP", -1.0)  # however late it comes
    came(dict(early))
    first = upload.story
    first.boxes["interval"].value, first.boxes["name"].value = "2", "fox"
    came({**dict(early), late: content})
    assert upload.story is not first
    assert [upload.story.boxes[key].value for key in ("interval", "name")] == ["2", "fox"]
    upload.discard()  # another drop is another story
    came(every)
    assert upload.story.boxes["interval"].value == ""


def test_what_was_refused_alone_goes_with_what_comes_later(library, monkeypatch):
    upload, every = library.upload, files()
    monkeypatch.setattr("dashboards.library.upload._ONE_DROP", -1.0)
    signal = {name: one for name, one in every.items() if name.endswith(".npy")}
    nifti = {"a.nii.gz": b"", **signal}
    upload._dropped(SimpleNamespace(new=nifti))
    settle(library, lambda: library.desk.errors.objects)
    assert (
        "no words with times" in str(library.desk.errors.objects[0].says) and upload.story is None
    )
    upload._dropped(SimpleNamespace(new={**nifti, **every}))
    settle(library, lambda: upload.story and len(upload.story.files) == 4)
    upload.discard()
    table = {"a.csv": b"sentence,topic,bold\nBees live.,bees,0.1\nIt is hot.,bread,0.2\n"}
    upload._dropped(SimpleNamespace(new={"a.exe": b"junk"}))
    settle(library, lambda: not upload._open)
    upload._dropped(SimpleNamespace(new={"b.csv": table["a.csv"]}))  # no story: it stands alone
    settle(library, lambda: upload.pickers)


@pytest.mark.browser
def test_in_the_browser_files_of_a_story_are_dropped_at_once(server, visit, tmp_path):
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    page = visit(f"{server.url}?lens=library")
    page.get_by_role("tab", name="Add your own").click()
    page.locator("input[type=file]").wait_for(state="attached")
    page.set_input_files("input[type=file]", sorted(map(str, tmp_path.iterdir())))
    page.get_by_text("Fill in 'Seconds between samples (TR)'").wait_for()
    page.get_by_label("Person").nth(
        2
    ).wait_for()  # files that are dropped together arrive one after another
    assert page.get_by_label("Person").nth(1).input_value() == "sub-01"
    between = page.get_by_label("Seconds between samples (TR)")
    between.fill("2")
    between.press("Enter")
    page.get_by_text("It can be used").wait_for()
    page.get_by_text(re.compile("words stand where", re.I)).wait_for()
    assert nameless(page, "button", "combobox", "textbox") == []
    called = f"fox-{uuid4().hex[:8]}"  # what a first try added stays in the library
    name = page.get_by_label("Name in the library")
    name.fill(called)
    name.press("Enter")
    page.get_by_role("button", name="Add to the library").click()
    page.get_by_role("button", name="Close the card").click()
    page.get_by_text(f"{called} is in use").wait_for()


# ---- epochs ------------------------------------------------------------------------------------------------------------


def epochs(lag: str = "lag") -> dict[str, bytes]:
    """Two people's epochs as tables, and the words beside them."""
    rng = np.random.default_rng(3)
    made = {}
    for person in ("sub-01", "sub-02"):
        rows = [f"epoch,{lag},Cz,Pz"]
        rows += [
            f"{epoch},{at},{rng.standard_normal():.3f},{rng.standard_normal():.3f}"
            for epoch in range(8)
            for at in range(-100, 300, 100)
        ]
        made[f"{person}_fox.csv"] = "\n".join(rows).encode()
    made["words.tsv"] = b"word\tstory\n" + b"".join(b"word%d\tone\n" % i for i in range(8))
    return made


def test_epochs_are_bound_checked_and_added(library):
    upload = library.upload
    upload.take(epochs("time"))
    settle(library, lambda: upload.story and "cannot be used" in words(upload.story.report))
    assert "these look like milliseconds" in words(upload.story.report)
    upload.discard()
    upload.take({**epochs(), "words.tsv": b"word\tstory\n"})
    settle(library, lambda: upload.story and "cannot be used" in words(upload.story.report))
    upload.discard()
    upload.take(epochs())
    settle(library, lambda: upload.story and "It can be used" in words(upload.story.report))
    story, said = upload.story, words(upload.story.report)
    assert "8 epochs" in said and "4 channels of 2 people, 4 lags from -100 to 200 ms" in said
    assert [row.person.value for row in story.files] == ["sub-01", "sub-02", ""]
    story.boxes["lag_step"].value = "none"
    assert "a number above 0 of milliseconds" in words(story.report)
    story.boxes["lag_step"].value = ""
    story.files[2].role.value = "left out"
    settle(library, lambda: "which word each epoch belongs to" in words(story.report))
    story.files[2].role.value = "words"
    story.boxes["name"].value, story.boxes["kind"].value = "foxes", "meg"
    settle(library, lambda: "It can be used" in words(story.report))
    story.add()
    settle(library, lambda: "foxes" in library.recordings.ids)
    kept = recording("foxes")
    assert kept.kind == "meg" and kept.responses.shape == (8, 16)
    assert library.selection.recording == "foxes"
    settle(library, lambda: library.selection.preset == "epochs")


def test_two_changes_at_once_never_write_the_story_at_once(library, monkeypatch):
    busy, real = [], EpochsForm.checked

    def slow(path, parts, facts, report):
        busy.append(path)
        assert len(busy) == 1
        time.sleep(0.05)
        try:
            return real(path, parts, facts, report)
        finally:
            busy.pop()

    monkeypatch.setattr(EpochsForm, "checked", staticmethod(slow))
    upload = library.upload
    upload.take(epochs())
    settle(library, lambda: upload.story)
    for kind in ("meg", "eeg", "ecog", "meg"):
        upload.story.boxes["kind"].value = kind
    settle(library, lambda: "It can be used" in words(upload.story.report))
    assert not library.desk.errors.objects and not library.desk.keys
    said = tomllib.loads(upload.staged.read_text())
    assert said["kind"] == "meg"


def test_an_array_without_times_is_asked_for_them_in_the_words_of_the_page(library):
    content = io.BytesIO()
    np.save(content, np.random.default_rng(0).standard_normal((8, 2, 4)))
    upload = library.upload
    upload.take({"p1.npy": content.getvalue(), "words.tsv": epochs()["words.tsv"]})
    settle(library, lambda: upload.story and "cannot be used" in words(upload.story.report))
    said = words(upload.story.report)
    assert "'First sample (ms after the word)'" in said and "story.toml" not in said
    upload.story.boxes["first_lag"].value = "-100"
    upload.story.boxes["lag_step"].value = "100"
    settle(library, lambda: "lags from -100 to 200 ms" in words(upload.story.report))
    assert ".staged" not in words(upload.story.report)


@pytest.mark.browser
def test_in_the_browser_epochs_are_dropped_and_added(server, visit, tmp_path):
    for name, content in epochs().items():
        (tmp_path / name).write_bytes(content)
    page = visit(f"{server.url}?lens=library")
    page.get_by_role("tab", name="Add your own").click()
    page.locator("input[type=file]").wait_for(state="attached")
    page.set_input_files("input[type=file]", sorted(map(str, tmp_path.iterdir())))
    page.get_by_text("It can be used").wait_for()
    page.get_by_text("4 channels of 2 people").wait_for()
    name = page.get_by_label("Name in the library").input_value()
    page.get_by_role("button", name="Add to the library").click()
    page.get_by_role("button", name="Close the card").click()
    page.get_by_text(re.compile(rf"{name}\S* is in use")).wait_for()
