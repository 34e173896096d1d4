"""The library: what is there, taken into use, fetched, checked, removed, added; on its own and in a browser."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from bokeh.document import Document

from dashboards.library.cards import histogram
from dashboards.library.library import Library
from dashboards.library.tables import download_words, million
from dashboards.library.versions import comparable
from dashboards.state import Selection
from data.catalog import shelf
from data.catalog.catalog import Entry, register
from data.catalog.fetch import RemoteFile
from tests.dashboards.conftest import nameless, settle

TABLE = "sentence,topic,rt\n" + "".join(
    f"Word {i} of many came late.,t{i % 6},{i * 1.7 % 7:.2f}\n" for i in range(60)
)


def words(parts) -> str:
    """All plain words under some parts."""
    found = []
    for part in parts:
        found.append(str(getattr(part, "object", "") or ""))
        found.append(str(getattr(part, "label", "") or ""))
        found.append(words(getattr(part, "objects", []) or []))
    return " ".join(found)


def press(parts, label: str) -> None:
    for part in parts:
        if str(getattr(part, "label", "")).startswith(label) and hasattr(part, "clicks"):
            part.clicks += 1
            return
        if getattr(part, "objects", None):
            try:
                return press(part.objects, label)
            except LookupError:
                continue
    raise LookupError(label)


def test_tables_filter_by_words_state_and_class(library):
    assert "simulated" in library.recordings.ids and "wikitext-2" not in library.recordings.ids
    known = len(library.recordings.ids)
    assert library.recordings._count.object == f"{known} rows"  # as many as the line above counts
    assert f" of {known} recordings" in library._said.object
    library._kind.value = "all"
    assert "wikitext-2" in library.recordings.ids
    library._state.value = "ready"
    assert (
        "pereira2018-language" not in library.recordings.ids
        and "simulated" in library.recordings.ids
    )
    library._words.value_input = "reading"
    assert library.recordings.ids == ["simulated-reading"]
    library._words.value_input, library._state.value, library._class.value = (
        "",
        "every state",
        "n-gram",
    )
    assert library.models.ids == ["trigram-en-us"]


@pytest.mark.parametrize(
    ("recording", "lens"), [("simulated", "layers"), ("simulated-reading", "reading")]
)
def test_use_leads_to_what_is_still_missing_then_to_the_lens_that_asks_it(recording, lens, library):
    library.selection.corpora = []
    library.use_recording(recording)
    assert library.selection.recording == recording and library.selection.lens == "library"
    assert library.tabs.active == 1 and "Choose a model" in words(library._told)
    library.use_model("zoo-causal-200k")
    assert library.selection.models == ["zoo-causal-200k"] and library.selection.lens == lens
    assert library.selection.corpora == ([recording] if lens == "reading" else [])


@pytest.mark.parametrize(
    ("unit", "lens"), [("sample", "regions"), ("epoch", "time"), ("sentence", "layers")]
)
def test_the_lens_that_is_offered_is_the_one_that_asks_such_a_recording_first(unit, lens, library):
    rows = library._recordings
    library._recordings = rows.assign(unit=np.where(rows["id"] == "simulated", unit, rows["unit"]))
    library.selection.recording = "simulated"
    library._fill()
    assert library._go.label == f"Open {lens.title()}"
    library._go.clicks += 1
    assert library.selection.lens == lens


def test_the_card_of_a_recording_says_all_that_matters(library):
    library.open_recording("simulated-reading")
    settle(
        library, lambda: "interval" in words(library._card) or "split half" in words(library._card)
    )
    said = words(library._card)
    for expected in (
        "simulated data",
        "Licence: MIT",
        "8 people",
        "5 folds of 5 whole groups",
        "median",
        "autocorrelation",
    ):
        assert expected in said, expected
    described = next(iter(library._described.values()))
    spec = histogram(described, "simulated-reading")
    assert len(spec.table) == len(described.responses) and spec.stamp == "simulated data"
    library.pressed("Escape")
    assert not library.drawer.open and not library.body.styles


def test_groups_of_one_size_have_one_size():
    from analysis import preset
    from analysis.answers.holdings import _groups
    from data.catalog.catalog import recording

    said = _groups(recording("simulated"), preset("defended"))
    assert "24 groups of 12 rows are held out together (column topic)." in said


def test_the_card_of_a_model_says_what_is_used_of_it(library):
    library.open_model("zoo-causal-200k")
    said = words(library._card)
    for expected in (
        "Where it comes from",
        "ships with the program",
        "Licence: ",
        "the embedding (layer 0) and all 2 blocks",
        "its own; ",
        "On this machine since",
    ):
        assert expected in said, expected


def test_size_and_licence_stand_beside_the_button_before_the_click(library):
    library.open_recording("natural-stories")
    said = words(library._card)
    assert (
        "Fetch 902 kB" in said
        and "CC BY-NC-SA 4.0" in said
        and "@article" in said
        and "What was read" not in said
    )
    library.open_model("smollm2-135m-instruct-q4_1")
    assert "Fetch 92.9 MB" in words(library._card) and "Apache-2.0" in words(library._card)
    assert (
        download_words("needs download", None, 124e6) == "about 496 MB"
        and download_words("ready", 5, 5) == ""
    )
    assert million(1.56e9) == "1.6 G"


def test_fetch_check_and_remove(library, tmp_path, monkeypatch):
    folder = tmp_path / "mirror" / "labdata"
    folder.mkdir(parents=True)
    (folder / "lab.csv").write_text(TABLE)
    import hashlib

    sha = hashlib.sha256(TABLE.encode()).hexdigest()
    files = (RemoteFile("labdata", "lab.csv", sha256=sha, size=len(TABLE)),)
    register(
        Entry(
            "lab",
            "A lab's own",
            "data.own.read:read",
            "fmri",
            "60 sentences",
            "CC BY-NC 4.0",
            "",
            files=files,
        )
    )
    try:
        library.look()
        settle(library, lambda: "lab" in library.recordings.ids)
        monkeypatch.setenv("BRAINLENS_MIRROR", "http://127.0.0.1:9/")  # nobody listens
        library.open_recording("lab")
        press(library._card, "Fetch")
        assert library._confirm.open and "no commercial use" in words(library._confirm)
        assert not library.desk.errors.objects  # nothing is tried before the answer
        press(library._confirm, "Accept and fetch")
        settle(library, lambda: library.desk.errors.objects)
        said = words(library.desk.errors)
        press(library._card, "Fetch")
        assert not library._confirm.open  # asked once
        assert "lab.csv" in said
        settle(library, lambda: library.desk.errors.objects)
        monkeypatch.setenv("BRAINLENS_MIRROR", str(tmp_path / "mirror"))
        press(library._card, "Check")
        settle(library, lambda: "1 of 1 files have the published hash" in words(library._told))
    finally:
        from data.catalog import catalog

        catalog._EXTRA.pop("lab")


def test_every_role_can_be_said_in_the_upload(library):
    from data.catalog.catalog import recording

    rows = [
        f"{text},{region},{i + 0.5 * (region == 'rh')}"
        for i, text in enumerate("abcdef")
        for region in ("lh", "rh")
    ]
    upload = library.upload
    upload.take({"areas.csv": ("sentence,place,bold\n" + "\n".join(rows)).encode()})
    settle(library, lambda: upload.pickers and "used" in words(upload._report))
    upload.more.pickers["target"].value = "place"
    upload.more.pickers["unit"].value, upload.more.pickers["averaged"].value = "z", "true"
    settle(library, lambda: "It can be used" in words(upload._report))
    assert upload.said()["target"] == "place" and upload.said()["averaged"] is True
    assert "repeat" not in upload.said()  # what is left as it is found is not said
    seen = words(upload._report)  # the first rows, as they are understood
    assert "6 of 6 rows, 2 targets; unit: z." in seen and "lh [z]" in seen and "<td>a</td>" in seen
    upload.more.pickers["repeat"].value = "(none)"
    assert upload.said()["repeat"] is None
    settle(library, lambda: "It can be used" in words(upload._report))
    upload.add()
    settle(library, lambda: upload.staged is None)
    found = recording("areas")
    assert found.n_stimuli == 6 and found.n_targets == 2 and found.averaged and found.unit == "z"


def test_upload_checks_again_when_a_column_is_changed_and_adds_it(library):
    upload = library.upload
    upload.take({"mine.csv": TABLE.encode()})
    settle(library, lambda: upload.pickers and "It can be used" in words(upload._report))
    assert upload.pickers["group"].value == ["topic"] and not upload._add.disabled
    upload.pickers["responses"].value = ["topic"]
    assert upload._add.disabled
    settle(library, lambda: "cannot be used" in words(upload._report))
    upload.pickers["responses"].value, upload._quality.value = ["rt"], "pilot"
    settle(library, lambda: "It can be used" in words(upload._report))
    upload.add()
    settle(library, lambda: "mine" in library.recordings.ids)
    assert (
        library.recordings.ids[0] == "mine"
        and library.drawer.open
        and "460px" in library.body.styles["padding-right"]
    )
    assert library.selection.recording == "mine"  # in use at once
    assert "mine is in use" in words(library._told)
    settle(library, lambda: "6 groups" in words(library._card))
    assert "pilot" in words(library._card)
    press(library._card, "Remove")
    assert library._confirm.open and "mine" in shelf.kept()
    press(library._confirm, "Remove")
    settle(library, lambda: "mine" not in library.recordings.ids)


def test_one_of_several_corpora_in_a_table_is_chosen_and_added_under_its_name(library):
    rows = [f"{corpus},{text},{'abcd'[word]}t,{300 + 7 * text + word}" for corpus in ("brown", "provo") for text in range(6)
            for word in range(4)]  # fmt: skip
    table = "corpus,story,word,rt\n" + "\n".join(rows)
    upload = library.upload
    upload.take({"times.csv": table.encode()})
    settle(library, lambda: upload.pickers and "It can" in words(upload._report))
    assert (
        upload.pickers["corpus"].options == ["brown", "provo"]
        and upload._name.value == "times-brown"
    )
    upload.pickers["corpus"].value = "provo"
    settle(library, lambda: "It can be used" in words(upload._report))
    assert upload._name.value == "times-provo"
    upload.add()
    settle(library, lambda: "times-provo" in library.recordings.ids)
    from data.catalog.catalog import recording

    assert recording("times-provo").n_stimuli == 24


def test_roles_that_follow_from_the_rows_stand_in_the_form(library):
    read = ["The", "quick", "brown", "fox", "jumps", "over", "it"]
    rows = [f"{p + 1}.0,{t}.0,{k + 1},{w},{300 + 9 * k + p + t}"
            for p in range(5) for t in range(4) for k, w in enumerate(read[t:] + read[:t])]  # fmt: skip
    upload = library.upload
    upload.take({"mine.csv": "\n".join(["participant,item,word_nr,word,RT", *rows]).encode()})
    settle(library, lambda: upload.pickers and "It can" in words(upload._report))
    assert "It can be used" in words(upload._report)
    chosen = {key: upload.pickers[key].value for key in ("group", "context", "order", "subject")}
    assert chosen == {
        "group": ["item"],
        "context": ["item"],
        "order": ["word_nr"],
        "subject": "participant",
    }


def test_a_text_that_no_name_tells_is_asked_for(library):
    rows = [
        f"s{p},{t},{k},{300 + 9 * k + p + t}" for p in range(5) for t in range(4) for k in range(7)
    ]
    upload = library.upload
    upload.take({"mine.csv": "\n".join(["participant,item,word_nr,RT", *rows]).encode()})
    settle(library, lambda: upload.pickers and "It can" in words(upload._report))
    assert upload.pickers["text"].value == "(none)" and upload._add.disabled
    assert "no column that is plainly the text" in words(upload._report)


def test_a_long_table_has_its_codes_and_rules_on_the_page(library, clean_home, tmp_path):
    from data.readers.trials import trials

    read = ["The", "quick", "brown", "fox", "jumps", "over", "it"]
    rows = [
        f"s{p},t{t},{'easy' if t % 2 else 'hard'},{read[k - t]},{-999 if (p, t, k) == (1, 2, 3) else 300 + 9 * k + p + t}"
        for p in range(5) for t in range(4) for k in range(7)
    ]  # fmt: skip
    upload = library.upload
    upload.take({"mine.csv": "\n".join(["participant,story,condition,word,RT", *rows]).encode()})
    settle(library, lambda: upload.pickers and "It can be used" in words(upload._report))
    assert "0 ms or less" in words(upload._report)
    upload._trials.missing.value, upload._trials.rules.value = "-999", "rt < 350"
    upload._again()
    settle(library, lambda: "trials count, 5 people" in words(upload._form.objects)
           and not upload._add.disabled)  # fmt: skip
    upload.add()
    settle(library, lambda: "trials-of-mine" in library.recordings.ids)
    long = trials("trials-of-mine")
    assert long["rt"].between(300, 350).all() and 100 < len(long) < 140
    assert set(long["condition"]) == {"easy", "hard"}


def test_results_of_an_experiment_are_taken_in_under_rules(library, clean_home, tmp_path):
    from data.readers.trials import trials
    from tests.data import experiment_files as files

    table = files.readings()
    raw = files.ibex(tmp_path / "results.csv", table).read_bytes()
    upload = library.upload
    upload.take({"results.csv": raw})
    settle(library, lambda: upload.pickers and "It can be used" in words(upload._report))
    assert "132 of 132 trials count, 6 people" in words(upload._form.objects)
    assert upload.pickers["text"].value == "text" and upload.pickers["subject"].value == "person"
    upload._trials.rules.value = "rt < 450\nfast"
    upload._again()
    settle(library, lambda: library.desk.errors.objects)
    assert "The rule 'fast' cannot be read" in words(library.desk.errors)
    upload._trials.rules.value = "rt < 450"
    upload._again()
    kept = int((table["rt"] < 450).sum())
    settle(
        library,
        lambda: (
            f"{kept} of 132 trials count" in words(upload._form.objects)
            and not upload._add.disabled
        ),
    )
    upload.add()
    settle(library, lambda: "trials-of-results" in library.recordings.ids)
    long = trials("trials-of-results")
    assert (
        len(long) == kept
        and set(long["condition"]) == {"easy", "hard"}
        and "rule rt < 450" in long.attrs["notes"][0]
    )
    folder = clean_home / "recordings" / "own" / "trials-of-results"
    assert not (folder / "results.csv").exists()  # it holds hashes of addresses
    assert all(b"0000000001" not in one.read_bytes() for one in folder.iterdir())


def test_a_bad_upload_is_refused_in_words_and_leaves_nothing(library, clean_home):
    library.upload.take({"evil.exe": b"MZ"})
    settle(library, lambda: library.desk.errors.objects)
    assert "not of a format" in words(library.desk.errors)
    library.upload.take({"bad.csv": b"a,b\n1\n2,3,4\n"})
    settle(library, lambda: "bad.csv" in words(library.desk.errors))
    assert not any((clean_home / "recordings" / "own").glob("*"))


def test_versions_are_compared_from_the_card(library):
    from data.catalog.catalog import entries

    assert comparable(entries()["natural-stories"]) == (
        "natural-stories@as-released",
        "natural-stories@realigned",
    )
    assert (
        comparable(entries()["pereira2018-language"]) is None
        and comparable(entries()["simulated"]) is None
    )
    library.open_recording("natural-stories")
    with pytest.raises(LookupError):  # not before it is here
        press(library._card.objects, "Compare versions")


@pytest.mark.realdata
def test_versions_are_compared_off_the_loop(clean_home, mirror):
    made = Library(Selection(lens="library"))
    settle(made, lambda: made.recordings.ids)
    made.open_recording("natural-stories")
    press(made._card.objects, "Compare versions")
    assert made.versions.open and made.desk.under_way("versions:")
    settle(made, lambda: made.versions.table.visible)
    said = words(made.versions._said.objects)
    assert (
        "as-released: shifted" in said
        and "realigned: aligned" in said
        and "inferred from the data" in said
    )
    assert len(made.versions.table.frame) > 18
    made.pressed("Escape")
    assert not made.versions.open and not made.desk.errors.objects
    made.close()


def test_the_place_to_drop_files_tells_the_browser_of_no_previews(library):
    """An empty list is not sent, and the browser's own default is both: the script for PDFs fails on what is taken away."""
    sent = Document()
    sent.add_root(library.upload.dropper.get_root())
    assert sent.to_json(deferred=False)["roots"][0]["attributes"]["previews"] == ["none"]


def test_two_windows_that_drop_files_of_one_name_each_see_their_own(library):
    other = Library(library.selection)
    for upload, person in ((library.upload, "a"), (other.upload, "b")):
        upload.take(
            {"mine.csv": f"sentence,{person}\nOne fox ran .,1\nTwo dogs sat .,2\n".encode()}
        )
    for made, person in ((library, "a"), (other, "b")):
        settle(made, lambda made=made: made.upload.staged is not None)
        assert made.upload.staged.read_text().startswith(f"sentence,{person}")
        made.upload.discard()
    other.close()


def test_ready_activations_are_dropped_checked_and_added_as_a_model(library, tmp_path):
    from data.catalog.catalog import recording

    ids = np.array([str(i) for i in recording("simulated").stimuli.index])
    path = tmp_path / "mine.npz"
    np.savez(path, stimulus=ids[:5], layer_0=np.zeros((5, 2)))
    library.upload.take({"mine.npz": path.read_bytes()})
    settle(library, lambda: library.upload.staged)
    assert (
        "5 stimuli, 1 layer of 2 units" in words(library.upload._form.objects)
        and library.upload._add.disabled
    )
    assert "no recording that is on this machine" in words(library.upload._form.objects)
    np.savez(path, stimulus=ids, layer_0=np.eye(len(ids))[:, :4], layer_1=np.eye(len(ids)))
    library.upload.take({"mine.npz": path.read_bytes()})
    settle(library, lambda: library.upload.staged and not library.upload._add.disabled)
    assert "They fit simulated." in words(library.upload._form.objects)
    library.upload._add_ready()
    settle(library, lambda: "mine" in library.models.ids)
    library.use_model("mine")
    assert library.selection.models == ["mine"]
    library.open_model("mine")
    press(library._card.objects, "Remove")
    press(library._confirm.objects, "Remove")
    settle(library, lambda: "mine" not in library.models.ids)


def test_surprisals_of_another_tool_are_dropped_their_unit_asked_for_and_added(library):
    from data.catalog.catalog import recording

    texts = recording("simulated-reading").stimuli["text"]
    numbers = [i % 9 + 0.5 for i in range(len(texts))]
    table = pd.DataFrame({"word": texts, "surprisal": numbers}).to_csv(index=False)
    library.upload.take({"minicons.csv": table.encode()})
    settle(library, lambda: library.upload.staged)
    said = words(library.upload._form.objects)
    assert "may be in bits or in nats" in said and library.upload._add.disabled
    units = [
        part for part in library.upload._form.objects if "Unit" in str(getattr(part, "label", ""))
    ]
    units[0].value = "nats"
    settle(library, lambda: not library.upload._add.disabled)
    said = words(library.upload._form.objects)
    assert "surprisal in nats, as it was told" in said
    assert "They hold the words of simulated-reading." in said
    library.upload._add_ready()
    settle(library, lambda: "minicons" in library.models.ids)
    library.upload.take({"llm.csv": b"item,idx,token,surprisal\n1,1,No,nan\n1,2,one,3.5\n"})
    settle(library, lambda: library.upload.staged and not library.upload._add.disabled)
    assert "as llm_surprisal writes it" in words(library.upload._form.objects)


def test_pickers_learn_what_was_added(library, tmp_path):
    from dashboards.lens.controls import ModelPicker, RecordingPicker

    selection = library.selection
    picker, models = RecordingPicker(selection), ModelPicker(selection)
    assert "late" not in picker._select.options.values()
    shelf.keep(
        shelf.stage({"late.csv": TABLE.encode()}),
        "late",
        text="sentence",
        responses=["rt"],
        group="topic",
    )
    models.look_again()
    picker.look_again()  # as the lens in front lets them
    assert "late" in picker._select.options.values() and picker._select.value == selection.recording
    assert models._search.options


def test_storage_is_measured_and_cleared_after_a_question(library):
    from analysis.store.store import Store

    Store().save_piece("run", "piece", a=np.zeros(1000))
    library.tabs.active = 3
    settle(library, lambda: "1 stored" in words(library.storage))
    press(library.storage, "Clear runs")
    assert library.storage._confirm.open and len(Store().list()) == 1
    press(library.storage._confirm, "Clear runs")
    settle(library, lambda: "given back" in words(library._told))
    assert len(Store().list()) == 0


def test_what_wiring_trained_is_told_and_its_room_given_back(library):
    from analysis.models.zoo.trained import held
    from data.files import locked
    from data.home import home

    for name in ("done", "under-way"):
        (home("wiring", name) / "at-16.safetensors").write_bytes(bytes(5_000_000))
    library.tabs.active = 3
    settle(library, lambda: "2 stored, 10.0 MB" in words(library.storage))
    assert "recordings take 0" in words(library.storage)
    press(library.storage, "Clear trained")
    with locked(home("wiring") / "under-way.lock", None):
        press(library.storage._confirm, "Clear trained")
        settle(library, lambda: "given back" in words(library._told))
    assert "5.0 MB given back" in words(library._told) and held() == (1, 5_000_000)


@pytest.mark.browser
def test_in_the_browser_from_a_dropped_file_to_the_layers(server, visit, tmp_path):
    name = f"mine-{uuid4().hex[:8]}"  # what a first try added stays in the library
    (tmp_path / f"{name}.csv").write_text(TABLE)
    page = visit(f"{server.url}?lens=library")
    page.get_by_role("button", name="Use ucl-n400").wait_for()
    page.get_by_role("tab", name="Add your own").click()
    page.locator("input[type=file]").wait_for(state="attached")
    page.set_input_files("input[type=file]", str(tmp_path / f"{name}.csv"))
    page.get_by_text("It can be used").wait_for()
    assert nameless(page, "button", "combobox", "textbox", "tab") == []
    page.get_by_role("button", name="Add to the library").click()
    page.get_by_text("What a check finds").wait_for()
    page.get_by_role("button", name="Close the card").click()
    page.get_by_text(f"{name} is in use").wait_for()
    page.get_by_role("tab", name="Models").click()
    page.get_by_role("button", name="Use zoo-causal-200k").click()
    page.get_by_role("button", name="Run").first.wait_for()
    assert (
        "lens=layers" in page.url
        and f"recording={name}" in page.url
        and "models=zoo-causal-200k" in page.url
    )
