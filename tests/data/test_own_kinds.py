"""Kinds of files that people have, each by a small one: understood, or asked about in words that name the way."""

from __future__ import annotations

import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from analysis.protocol import preset
from analysis.text.passages import passages
from data.errors import BrainLensError
from data.language import blanks, detected, frequencies
from data.own.numerals import parse
from data.own.read import read
from data.own.tables import read_table
from data.own.validation import check
from tests.data.own_tables import table

STORIES = (
    "The old boat lay on the sand and nobody came near it .",
    "Every summer a group of children built a house from its wood .",
    "In winter the wind took the house away and left the boat .",
)
RNG = np.random.default_rng(0)


def words(**columns) -> pd.DataFrame:
    """Three short texts, one row per word, numbered from 1 in each."""
    rows = [
        (story, place, word, round(float(RNG.uniform(200, 400)), 1))
        for story, text in enumerate(STORIES)
        for place, word in enumerate(text.replace(" .", "").split(), 1)
    ]
    return pd.DataFrame(rows, columns=["item", "zone", "word", "rt"]).assign(**columns)


def people(names=("a", "b", "c"), column="subject") -> pd.DataFrame:
    """The same words read by several people."""
    return pd.concat(
        [
            words(**{column: name}, rt=RNG.uniform(200, 400, len(words())).round(1))
            for name in names
        ],
        ignore_index=True,
    )


def words_of(text: str) -> list[str]:
    return text.split()


def saved(folder, frame, name="mine.csv", **options):
    frame.to_csv(folder / name, index=False, **options)
    return folder / name


# ---- numbers --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["328,4", "251,2", "NA"], [328.4, 251.2, np.nan]),
        (["1.234,5", "987"], [1234.5, 987]),
        (["1,234.5", "2,000"], [1234.5, 2000]),
        (["1\u202f234,5", "1 000"], [1234.5, 1000]),
        (["1'234.50", "\u22123"], [1234.5, -3]),
        (["1,234,567", "12"], [1234567, 12]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["1.234", "2.5"], [1.234, 2.5]),
        (["#N/A", "3e2", ".5"], [np.nan, 300, 0.5]),
    ],
)
def test_numbers_in_all_usual_notations(cells, values):
    found = parse(cells)
    assert not found.wrong and not found.either
    np.testing.assert_allclose(found.values, values)


@pytest.mark.parametrize("cells", [["1,234", "987"], ["1,234", "2,345"], ["1.234", "987"]])
def test_marks_that_part_thousands_or_decimals_are_asked_about(tmp_path, cells):
    assert parse(cells).either
    frame = words().astype({"rt": object})
    frame["rt"] = [cells[i % 2] for i in range(len(frame))]
    path = saved(tmp_path, frame, sep="\t", name="mine.tsv")
    with pytest.raises(BrainLensError, match=r"cannot be told \(line 2.*--decimal"):
        read(path, responses="rt")
    comma, point = (
        read(path, responses="rt", decimal=mark).responses.values[0, 0] for mark in ",."
    )
    assert {comma, point} == {1.234, 1234.0}


def test_codes_for_missing_are_named(tmp_path):
    frame = words()
    frame.loc[[2, 5], "rt"] = [-999, 9999]
    path = saved(tmp_path, frame)
    assert np.isnan(read(path, missing="-999,9999").responses.values).sum() == 2
    assert np.isnan(read(path, missing=[-999]).responses.values).sum() == 1
    coded = check(saved(tmp_path, frame.assign(rt=frame["rt"].mask(frame["zone"] == 2, -999))))
    assert any("looks like a code for 'missing'" in f.what for f in coded.warnings)


# ---- containers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["xlsx", "ods"])
def test_spreadsheets_with_sheet_and_range(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    frame = words()
    frame.loc[3, "word"] = "TRUE"
    with pd.ExcelWriter(path, engine={"ods": "odf"}.get(suffix)) as book:
        frame.to_excel(book, sheet_name="times", index=False, startrow=2, startcol=1)
        pd.DataFrame({"about": ["nothing"]}).to_excel(book, sheet_name="notes", index=False)
    with pytest.raises(BrainLensError, match=r"holds 2 sheets. Choices: times, notes.*--sheet"):
        read(path)
    found = read(path, sheet="times")
    assert found.texts == frame["word"].tolist() and found.context == "item"
    np.testing.assert_allclose(found.responses.values[:, 0], frame["rt"])
    part = read(path, sheet="times", range="B3:E12")
    assert part.n_stimuli == 9 and part.texts == frame["word"].tolist()[:9]
    with pytest.raises(BrainLensError, match="did you mean 'times'"):
        read(path, sheet="time")
    with pytest.raises(BrainLensError, match="is not a range of cells"):
        read(path, sheet="times", range="3-9")
    with pytest.raises(BrainLensError, match="is not a spreadsheet: it has no sheet"):
        read(saved(tmp_path, frame), sheet="times")


def test_a_zipped_table_and_pointers(tmp_path):
    path = tmp_path / "mine.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mine.csv", words().to_csv(index=False))
    assert read(path).n_stimuli == len(words())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", "a,b\n1,2\n")
    with pytest.raises(BrainLensError, match=r"holds 2 files, not one table. Choices: mine.csv"):
        read(path)
    pointer = tmp_path / "mine.npy"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 17\n")
    with pytest.raises(BrainLensError, match="is a Git LFS pointer"):
        read(pointer)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_tables_as_spreadsheets_export_them(tmp_path, encoding):
    path = tmp_path / "mine.txt"
    frame = words().assign(rt=lambda f: f["rt"].map(lambda v: f"{v:.1f}".replace(".", ",")))
    path.write_bytes(frame.to_csv(index=False, sep="\t", lineterminator="\r\n").encode(encoding))
    found = read(path)
    assert found.n_stimuli == len(frame) and found.responses.values.max() < 401


def test_row_names_and_blanks_as_separators(tmp_path):
    path = tmp_path / "mine.txt"
    rows = [
        f'"{i}" {r.item} {r.zone} "{r.word}" {r.rt}' for i, r in enumerate(words().itertuples(), 1)
    ]
    path.write_text('"item" "zone" "word" "rt"\n' + "\n".join(rows) + "\n")
    found = check(path)
    assert found.ok and found.recording.texts == words()["word"].tolist()
    assert "row names without a header" in str(found)


@pytest.mark.parametrize("marks", [('"Yes,"', '"No"'), ('"Yes', 'so"'), ('say"', "no")])
def test_quotation_marks_that_are_words(tmp_path, marks):
    frame = words()
    frame.loc[[1, 2], "word"] = marks
    path = tmp_path / "mine.tsv"
    path.write_text(
        "item\tzone\trt\tword\n"
        + "".join(f"{r.item}\t{r.zone}\t{r.rt}\t{r.word}\n" for r in frame.itertuples())
    )
    report = check(path)
    assert report.ok and report.recording.texts[1:3] == list(marks)
    warned = any("quotation marks are read as part" in f.what for f in report.warnings)
    assert warned == marks[0].startswith('"')
    enclosed = tmp_path / "enclosed.tsv"  # all cells of the column enclosed: by the rules
    enclosed.write_text(
        '"item"\t"zone"\t"rt"\t"word"\n'
        + "".join(f'{r.item}\t{r.zone}\t{r.rt}\t"{r.word}"\n' for r in words().itertuples())
    )
    assert read(enclosed).texts == words()["word"].tolist()


# ---- texts and people -----------------------------------------------------------------------------------------------------
def test_words_form_the_texts_that_their_numbers_say(tmp_path):
    found = read(saved(tmp_path, words()))
    assert found.context == found.group == "item" and len(passages(found)) == 3
    shuffled = read(saved(tmp_path, words().sample(frac=1, random_state=1)))
    assert [p.text for p in passages(shuffled)] and shuffled.texts[:4] != [] and set(
        p.text for p in passages(shuffled)
    ) == {p.text for p in passages(found)}  # fmt: skip
    alone = check(saved(tmp_path, words()[["word", "rt"]]))
    assert any("each word is read alone" in f.what and "--context" in f.fix for f in alone.warnings)
    said = check(saved(tmp_path, words()[["word", "rt"]]), context="none")
    assert not any("each word is read alone" in f.what for f in said.warnings)


def experiment(rng, order: bool, texts: dict[str, list[str]]) -> pd.DataFrame:
    """Rows of three readers, each with the sentences in an order of his or her own."""
    rows = []
    for reader in "ABC":
        trials = rng.permutation(list(texts)) if order else list(texts)
        for text in trials:
            rows += [(reader, text, at, word) for at, word in enumerate(texts[text], 1)]
    frame = pd.DataFrame(rows, columns=["id", "stim", "wordnum", "word"])
    return frame.assign(RT=rng.normal(350, 60, len(frame)).round(1))


SENTENCES = {
    f"s{number}": words.split()
    for number, words in enumerate(
        (
            "the old man saw nobody and went home early",
            "a young woman read some books in her garden",
            "no child played with the ball on our street",
            "every friend of mine wrote letters for many years",
        )
    )
}


@pytest.mark.parametrize("column", ["id", "vp"])
def test_people_with_sentences_in_an_order_of_their_own_are_asked_about(tmp_path, column):
    """Under a name that says nothing, or one that is taken for a number of rows."""
    path = tmp_path / "spr.csv"
    frame = experiment(np.random.default_rng(3), True, SENTENCES).rename(columns={"id": column})
    frame.to_csv(path, index=False)
    with pytest.raises(BrainLensError, match=rf"comes 3 times, once for each value of '{column}'"):
        read(path)
    found = read(path, subject=column)
    assert found.n_stimuli == 36 and found.n_targets == 3 and found.context == "stim"
    first = SENTENCES[str(found.stimuli["stim"].iloc[0])]
    assert found.texts[: len(first)] == first


def test_conditions_that_turn_words_around_are_no_people(tmp_path):
    """Relative clauses of subject and object: the same words in another order, averaged over people."""
    nouns = [("reporter", "senator"), ("banker", "farmer"), ("teacher", "lawyer"), ("nurse", "actor")]  # fmt: skip
    rows = []
    for item, (a, b) in enumerate(nouns):
        for condition, middle in (("SRC", f"attacked the {b}"), ("ORC", f"the {b} attacked")):
            words = f"the {a} that {middle} admitted it late".split()
            rows += [(item, condition, at, word) for at, word in enumerate(words, 1)]
    frame = pd.DataFrame(rows, columns=["item", "condition", "pos", "word"])
    path = tmp_path / "clauses.csv"
    frame.assign(RT=np.random.default_rng(0).normal(350, 60, len(frame))).to_csv(path, index=False)
    assert read(path, group="item", context="item,condition").n_stimuli == len(frame)
    with pytest.raises(
        BrainLensError, match=r"different words in 4 of 4 .*--context item,condition"
    ):
        read(path, group="item")


def test_numbered_columns_are_offered_as_responses_with_their_pattern(tmp_path):
    path = tmp_path / "wide.csv"
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"item": np.repeat([1, 2, 3], 4), "word": list("abcdefghijkl")})
    frame[[f"S{one}" for one in range(1, 5)]] = rng.integers(200, 500, (12, 4))
    frame.assign(mean=frame.filter(like="S").mean(axis=1) + 0.1, SD=12.5).to_csv(path, index=False)
    with pytest.raises(BrainLensError, match=r"S1, S2, S3, S4, mean, SD.*--response 'S\[0-9\]\*'"):
        read(path)
    assert read(path, responses="S[0-9]*", group="item").n_targets == 4


def test_strung_together_people_are_asked_about(tmp_path):
    path = saved(tmp_path, people(column="VP"))
    with pytest.raises(
        BrainLensError, match=r"comes 3 times, once for each value of 'VP'.*--subject VP"
    ):
        read(path)
    found = read(path, subject="VP")
    assert (found.n_stimuli, found.n_targets) == (len(words()), 3) and found.kind == "reading_times"
    rows = read(path, subject="none", context="item,VP")
    assert rows.n_stimuli == 3 * len(words())


@pytest.mark.parametrize("by", ["zone", "words"])
def test_gaps_and_duplicates_of_one_person_shift_nothing(tmp_path, by):
    whole = people()
    plain = read(saved(tmp_path, whole))
    fewer = whole.drop(index=[3, 4, 40])
    if by == "words":  # nothing numbers the words
        fewer = fewer.drop(columns="zone")
    found = read(saved(tmp_path, fewer))
    assert found.texts == plain.texts and np.isnan(found.responses.values).sum() == 3
    known = ~np.isnan(found.responses.values)
    assert np.array_equal(found.responses.values[known], plain.responses.values[known])
    again = pd.concat([fewer, fewer.iloc[[7]]])
    with pytest.raises(BrainLensError, match=r"occur together more than once|cannot be told"):
        read(saved(tmp_path, again))


@pytest.mark.parametrize("by", ["same", "other times", "at the end"])
def test_trials_that_stand_twice_are_named_whoever_they_are_of(tmp_path, by):
    """Duplicates of the person whose rows tell the numbering of words hide neither the numbering nor themselves."""
    whole = people()
    who = "subject"
    longest = whole[whole[who] == whole[who].iloc[0]]
    again = longest.iloc[[2, 5, 6, 9]]
    again = again.assign(rt=again["rt"] + 31) if by == "other times" else again
    table = pd.concat([whole, again])
    if by != "at the end":
        table = table.sort_values([who, "item", "zone"], kind="stable")
    report = check(saved(tmp_path, table))
    (error,) = report.errors
    assert re.search(
        r"item and zone occur together more than once: line \d+.*4 rows too many", error.what
    )
    assert ("4 of them the same in every column" in error.what) == (by != "other times")
    assert "brainlens data trials" in error.fix and "keeps the first" in error.fix


def test_presentations_are_kept_apart_where_they_are_named(tmp_path):
    frame = pd.concat([people().assign(run_nr=1), people().assign(run_nr=2)], ignore_index=True)
    with pytest.raises(BrainLensError, match="--repeat run_nr"):
        read(saved(tmp_path, frame))
    found = read(saved(tmp_path, frame), repeat="run_nr")
    assert found.n_stimuli == 2 * len(words()) and found.roles["repeat"] == "run_nr"


# ---- targets --------------------------------------------------------------------------------------------------------------
def test_long_tables_with_subject_and_target(tmp_path):
    base = pd.DataFrame(
        {
            "sentence": [f"Sentence {i} is about bees." for i in range(40)],
            "topic": np.repeat(range(8), 5),
        }
    )
    rows = [
        base.assign(subject=s, roi=r, bold=RNG.standard_normal(40).round(3))
        for s in "ab"
        for r in ("IFG", "STG")
    ]
    long = pd.concat(rows, ignore_index=True).sample(frac=1, random_state=0)
    found = read(saved(tmp_path, long))
    assert (found.n_stimuli, found.n_targets) == (40, 4) and sorted(set(found.subjects)) == [
        "a",
        "b",
    ]
    assert set(found.responses["region"].values) == {"IFG", "STG"}
    cell = long.iloc[7]
    row = found.texts.index(cell["sentence"])
    at = (found.subjects == cell["subject"]) & (found.responses["region"].values == cell["roi"])
    assert found.responses.values[row, at] == cell["bold"]
    other = long.rename(columns={"roi": "cluster"})
    with pytest.raises(BrainLensError, match="--target cluster"):
        read(saved(tmp_path, other))
    named = read(saved(tmp_path, other), target="cluster", region="cluster")
    assert named.n_targets == 4 and set(named.responses["region"].values) == {"IFG", "STG"}


def test_wide_tables_by_pattern_and_by_a_table_of_targets(tmp_path):
    base = pd.DataFrame(
        {
            "sentence": [f"Sentence {i} is about bees." for i in range(40)],
            "topic": np.repeat(range(8), 5),
        }
    )
    names = [f"sub-{s}_{r}" for s in ("01", "02") for r in ("ifg", "stg")]
    wide = base.assign(**{name: RNG.standard_normal(40) for name in names}, age=40)
    path = saved(tmp_path, wide)
    for pattern in ("sub-*", "sub-{subject}_{region}"):
        found = read(path, responses=pattern)
        assert list(found.responses.target.values) == names
        assert found.subjects.tolist() == ["01", "01", "02", "02"]
        assert found.responses["region"].values.tolist() == ["ifg", "stg", "ifg", "stg"]
    with pytest.raises(BrainLensError, match=r"Unknown response column.*'sib-"):
        read(path, responses="sib-*")
    pd.DataFrame({"target": names, "subject": list("xxyy"), "network": list("abab")}).to_csv(
        tmp_path / "mine.targets.csv", index=False
    )
    told = read(path, responses=names)
    assert told.subjects.tolist() == list("xxyy") and told.responses[
        "network"
    ].values.tolist() == list("abab")
    each = read(
        path, responses=names, subject=dict(zip(names, "pppq")), region=dict(zip(names, "abcd"))
    )
    assert each.subjects.tolist() == list("pppq") and each.responses[
        "region"
    ].values.tolist() == list("abcd")


# ---- language -------------------------------------------------------------------------------------------------------------
def test_how_words_are_joined():
    assert blanks(["ca", "n't", "(", "x", ")", ","], "treebank") == [" ", "", " ", "", "", ""]
    assert blanks(["a", "b"], "") == ["", ""]
    assert blanks(["a", "b", "c"], "gap", [1, 0, "yes"]) == [" ", "", " "]


def test_languages_and_their_frequencies():
    german = words_of(
        "der alte Kahn lag auf dem Sand und niemand kam weil das Holz nicht mehr gut war"
    )
    assert detected(german) == ("", "de") and detected(STORIES) == ("en", "")
    assert detected(["我", "早上", "喝"]) == ("", "zh") and detected(["私", "は", "食べる"]) == (
        "",
        "ja",
    )
    assert frequencies(["und"], "de")[0] > 7 and frequencies(["早上"], "zh")[0] > 4
    with pytest.raises(BrainLensError, match="--language"):
        frequencies(["und"], "")
    with pytest.raises(BrainLensError, match="Unknown language with word frequencies 'qq'"):
        frequencies(["und"], "qq")


def test_a_column_says_where_blanks_stand(tmp_path):
    frame = words().assign(gap=lambda f: (f["zone"] % 2).astype(int))
    found = read(saved(tmp_path, frame), joiner="gap")
    assert passages(found)[0].text.startswith("Theold boatlay")
    with pytest.raises(BrainLensError, match="is no rule and no column"):
        read(saved(tmp_path, frame), joiner="gaps")


@pytest.mark.parametrize(
    ("name", "kind", "unit"),
    [
        ("RT", "reading_times", "ms"),
        ("meanItemRT", "reading_times", "ms"),
        ("GazeDuration", "eye_tracking", "ms"),
        ("firstrun.dur", "eye_tracking", "ms"),
        ("N400", "eeg", "a.u."),
        ("bold", "fmri", "a.u."),
    ],
)
def test_the_kind_is_what_the_response_is_called(tmp_path, name, kind, unit):
    for frame in (words(), people()):
        found = read(saved(tmp_path, frame.rename(columns={"rt": name})), responses=name)
        assert (found.kind, found.unit) == (kind, unit)
    warned = check(saved(tmp_path, words().rename(columns={"rt": "y"})), responses="y")
    assert any("looks like times" in f.what and "--kind" in f.fix for f in warned.warnings)


def test_a_sentence_and_its_one_word_are_asked_about(tmp_path):
    frame = pd.DataFrame(
        {"sentence": STORIES, "word": ["boat", "house", "wind"], "rt": [300.5, 310.2, 290.1]}
    )
    with pytest.raises(BrainLensError, match=r"--text sentence or --text word"):
        read(saved(tmp_path, frame))


def test_what_leaves_as_csv_runs_in_no_spreadsheet(tmp_path):
    from data.files import guarded, unguarded

    frame = pd.DataFrame(
        {"word": ["=cmd()", "+1", "-x", "@a", "'-", "plain", "'tis"], "n": [-1.5, 2, 3, 4, 5, 6, 7]}
    )
    out = guarded(frame)
    assert out["word"].tolist() == ["'=cmd()", "'+1", "'-x", "'@a", "''-", "plain", "'tis"]
    assert out["n"].equals(frame["n"]) and unguarded(out).equals(frame)
    path = tmp_path / "x.csv"
    out.to_csv(path, index=False)
    assert read_table(path, texts=("word",)).frame["word"].tolist() == frame["word"].tolist()
    assert "=cmd" in path.read_text() and "\n=cmd" not in path.read_text()


# ---- as people save their tables ------------------------------------------------------------------------------------------
def readings(**columns):
    """Eight readings of a text of six words."""
    words = ["A", "dog", "barked", "at", "the", "moon"] * 8
    times = np.random.default_rng(2).integers(250, 450, 48)
    frame = {"text_id": np.repeat(range(8), 6), "word": words, "rt": times}
    return pd.DataFrame({**frame, **columns})


def test_a_title_above_the_header_is_left_out_and_said(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("Experiment 3, exported 2021\n\n" + readings().to_csv(index=False))
    report = check(path)
    assert report.recording.texts == readings()["word"].tolist()
    assert "the header stands in line 3" in str(report)
    path.write_text("a,b\n1,2\n1,2,3\n1,2\n")  # one odd row is a fault, not a title
    with pytest.raises(BrainLensError, match="line 3 has 3"):
        read(path)


def test_a_table_without_names_of_columns_is_refused(tmp_path):
    path = tmp_path / "mine.csv"
    readings().to_csv(path, index=False, header=False)
    with pytest.raises(BrainLensError, match="no column that is plainly the text"):
        read(path)
    readings().assign(place=1).to_csv(path, index=False, header=False)
    with pytest.raises(BrainLensError, match="the first line holds numbers"):
        read(path)
    numbered = table().rename(columns={"bold": "0"}).assign(**{"1": 1.5, "2": range(48)})
    assert read(saved(tmp_path, numbered), responses=["0", "2"]).n_targets == 2


def test_words_that_a_spreadsheet_made_dates_are_told(tmp_path):
    words = readings()
    words.loc[[3, 9], "word"] = ["1-Mar", "2021-03-04"]
    assert "2 texts are dates such as '1-Mar'" in str(check(saved(tmp_path, words)))
    assert "dates" not in str(check(saved(tmp_path, readings())))


def test_codes_for_missing_are_shown_with_the_option_that_names_them(tmp_path):
    for code, option in ((-1, "--missing -1"), (0, "--missing 0"), (99999, "--missing 99999")):
        words = readings()
        words.loc[[3, 9, 14], "rt"] = code
        assert option in str(check(saved(tmp_path, words)))
    many = readings(rt=np.tile([998, 999, 1000, 999, 1001, 997], 8))
    assert "code for 'missing'" not in str(check(saved(tmp_path, many)))  # 999 ms among others


def test_several_columns_with_a_decimal_comma_are_offered_as_responses(tmp_path):
    path = tmp_path / "comma.csv"
    rows = [f"The ship came late {'again ' * k}.;t{k % 4};0,{k}5;-1,{k}7;0,3{k}" for k in range(8)]
    path.write_text("\n".join(["sentence;topic;v1;v2;v3", *rows]))
    with pytest.raises(
        BrainLensError, match=r"responses is not plain. Choices: v1, v2, v3\."
    ) as told:
        read(path)
    assert "--response 'v[0-9]*'" in str(told.value.remedy)
    assert read(path, responses="v[0-9]*").responses.values[:2, 0].tolist() == [0.05, 0.15]


def test_one_column_written_as_people_write_numbers_is_the_response(tmp_path):
    cells = [f"\u2212{i % 7}" for i in range(48)]
    typed = table(rating=cells).drop(columns="bold")
    assert read(saved(tmp_path, typed)).responses.values.min() == -6
    typed["rating"] = [f"{i}.5 %" for i in range(48)]
    with pytest.raises(
        BrainLensError, match=r"no column holds plain numbers; 'rating' has '0.5 %'"
    ):
        read(saved(tmp_path, typed))


def test_what_is_said_of_people_counts_more_than_names(tmp_path):
    wide = table(**{"sub-1_ifg": range(48), "sub-2_ifg": range(48, 96)}).drop(columns="bold")
    path = saved(tmp_path, wide)
    assert set(read(path, responses="sub-*").subjects) == {"1", "2"}
    said = read(path, responses="sub-*", subject="none")
    assert "subject" not in said.responses.coords and "region" in said.responses.coords
    with pytest.raises(BrainLensError, match="the subject is said twice"):
        read(path, responses="sub-{subject}_ifg", subject="topic")


def test_lines_of_json_that_are_no_transcripts_are_no_transcripts(tmp_path):
    path = tmp_path / "mine.jsonl"
    readings().to_json(path, orient="records", lines=True)
    with pytest.raises(BrainLensError, match="not a table that can be read"):
        read(path)


# ---- two columns at once ------------------------------------------------------------------------------------------------
def crossed(place: str, wave: str) -> pd.DataFrame:
    """Ten sentences, in two places, twice, of each of three people."""
    rows = [
        (who, where, time, f"Sentence number {i} was read .", round(float(RNG.normal()), 3))
        for who in "abc"
        for where in ("IFG", "ATL")
        for time in (1, 2)
        for i in range(10)
    ]
    return pd.DataFrame(rows, columns=["subject", place, wave, "sentence", "bold"])


def test_places_and_presentations_are_told_together(tmp_path):
    found = read(saved(tmp_path, crossed("parcel", "presentation")))
    assert found.responses.shape == (20, 6) and found.roles["repeat"] == "presentation"
    assert set(found.responses["subject"].values) == set("abc")


@pytest.mark.parametrize("people", [True, False])
def test_two_columns_that_tell_rows_of_a_text_apart_are_asked_about(tmp_path, people):
    frame = crossed("site", "wave")
    if not people:
        frame = frame[frame["subject"] == "a"].drop(columns="subject")
    with pytest.raises(
        BrainLensError, match="once for each pair of values of 'site' and 'wave'"
    ) as error:
        read(saved(tmp_path, frame))
    assert ("--subject site" in error.value.remedy) is not people
    roles = {"target": "site", "repeat": "wave", **({} if people else {"subject": None})}
    assert read(saved(tmp_path, frame), **roles).responses.shape == (20, 6 if people else 2)


# ---- pieces of several words -------------------------------------------------------------------------------------------
PIECES = (
    ("While the man", "hunted", "the brown deer", "ran into the woods ."),
    ("When the old dog", "barked", "at the postman", "a child woke up ."),
    ("After the rain", "had stopped", "the whole village", "came out again ."),
)


def pieces() -> pd.DataFrame:
    rows = [
        (who, item, place, piece, int(RNG.integers(300, 900)))
        for who in "abc"
        for item, parts in enumerate(PIECES, 1)
        for place, piece in enumerate(parts, 1)
    ]
    return pd.DataFrame(rows, columns=["subject", "item", "region", "text", "rt"])


def test_numbered_pieces_of_a_sentence_are_read_after_those_before_them(tmp_path):
    found = read(saved(tmp_path, pieces().sample(frac=1, random_state=0)))
    assert found.context == "item" and found.kind == "reading_times"
    read_ = {one.text for one in passages(found, preset("defended").context)}
    assert read_ == {" ".join(parts) for parts in PIECES}


def test_pieces_that_nothing_numbers_are_doubted(tmp_path):
    told = check(saved(tmp_path, pieces()[["subject", "text", "rt"]]))
    assert "look like pieces of sentences" in str(
        told
    ) and "--context COLUMN --order COLUMN" in str(told)
    whole = pieces()[["subject", "rt"]].assign(
        text=[f"Sentence {i % 12} was read ." for i in range(36)]
    )
    assert "pieces" not in str(check(saved(tmp_path, whole)))


@pytest.mark.parametrize("cell", ["{:.2f} ms", "{:,.0f}", "{:.3f}"])
def test_columns_of_numbers_with_a_mark_or_a_unit_are_among_the_choices(tmp_path, cell):
    frame = pd.DataFrame(
        {"item": range(12), "sentence": [f"Sentence {i} was read ." for i in range(12)]}
    )
    for name in ("v1", "v2", "v3"):
        frame[name] = [
            cell.format(v).replace(".", "," if "3f" in cell else ".")
            for v in RNG.uniform(1e3, 9e3, 12)
        ]
    with pytest.raises(BrainLensError, match="which columns hold the responses") as error:
        read(saved(tmp_path, frame))
    assert list(error.value.choices) == ["v1", "v2", "v3"] and "v[0-9]*" in error.value.remedy
