"""Files from the wild: each is understood, or asked about in words that name the way; the inputs stay where they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from data.own.validation import check

pytestmark = pytest.mark.realdata


@dataclass(frozen=True)
class Case:
    """A file, what is said of it, and what must come out.

    Parameters
    ----------
    shape : tuple or None
        Stimuli x targets; None: it is not read.
    words : tuple of str
        What the report says.
    """

    file: str
    said: dict = field(default_factory=dict)
    shape: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    facts: dict = field(default_factory=dict)


GECO = {"text": "WORD", "responses": "WORD_TOTAL_READING_TIME", "group": "PART"}
MECO = {"text": "ia", "responses": "firstrun.dur", "group": "trialid"}
ITEM = {"context": "item", "order": ["zone"]}
CASES = [
    Case("01-capital-word-null/provo_like.csv", {}, (174, 1), ("text = Word",), {"context": "Text_ID"}),
    Case("01-capital-word-null/lower.csv", {}, (174, 1), ("text = word",), {"context": "Text_ID"}),
    Case("02-tsv-bare-quotes/balanced.tsv", {}, (90, 1), ("quotation marks are read as part of the words",)),
    Case("02-tsv-bare-quotes/words_last.tsv", {}, (102, 1), ("quotation marks are read as part",)),
    Case("03-r-write-table/rownames.csv", {}, (174, 1), ("row names without a header",), {"context": "item"}),
    Case("03-r-write-table/rownames.txt", {}, (174, 1), ("row names without a header",), {"context": "item"}),
    Case("03-r-write-table/norownames_space.txt", {}, (174, 1), (), {"context": "item"}),
    Case("04-tab-decimal-comma/unicode_text.txt", {}, (174, 1)),
    Case("04-tab-decimal-comma/utf8.tsv", {}, (174, 1)),
    Case("06-geco-long-pp-nr/geco_like.csv",
         GECO, None, ("every text of PART comes 3 times", "174 words x 3", "--subject PP_NR")),
    Case("06-geco-long-pp-nr/geco_like.csv", {**GECO, "subject": "PP_NR"}, (174, 3), (), {"context": "PART"}),
    Case("07-sentence-and-word/spr.csv", {}, (174, 1), ("text = word", "sentence left aside")),
    Case("08-bids-events-na-word/sub-01_task-story_run-1_events.tsv", {}, (174, 1), ("6 events without a word (n/a)",)),
    Case("09-true-boolean/provo_true.csv", {}, (60, 1), ("12 texts are FALSE and TRUE",)),
    Case("10-missing-codes/code.csv", {}, (174, 1), ("12 times are 0 ms or less",)),
    Case("10-missing-codes/code.csv", {"missing": "-32768"}, (174, 1), ("12 of 174 responses are missing",)),
    Case("10-missing-codes/minus1.csv", {}, (174, 1), ("9 times are 0 ms or less",)),
    Case("11-cp1252/cp1252.csv", {}, None, ("not UTF-8: byte 0xe9 on line 3",)),
    Case("12-duplicate-subject-word/dup.csv",
         {}, None, ("WorkerId, item and zone occur together more than once: line 66, line 241",)),
    Case("14-lfs-pointer/exp1.csv", {}, None, ("is a Git LFS pointer, not the file", "git lfs pull")),
    Case("15-chinese-words/zh.csv",
         {}, (96, 1), ("the script puts no blanks between words",), {"joiner": "", "language": ""}),
    Case("15-chinese-words/zh.csv",
         {"joiner": "blank", "language": "zh"}, (96, 1), (), {"joiner": " ", "language": "zh"}),
    Case("16-german-frequency/de.csv", {}, (288, 1), ("they look like 'de'", "--language de"), {"language": ""}),
    Case("16-german-frequency/de.csv", {"language": "de"}, (288, 1), (), {"language": "de"}),
    Case("17-punctuation-rows/ptb.csv",
         {}, (80, 1), ("16 rows are punctuation and 16 are clitics",), {"joiner": "treebank"}),
    Case("18-wide-subject-columns/wide.csv", {"responses": "s01,s02,s03", "group": "item"}, (80, 3), ("--subject",)),
    Case("18-wide-subject-columns/wide.csv", {"responses": "s{subject}", "group": "item"}, (80, 3), ("3 people",)),
    Case("19-meco-uniform-id/meco.csv", MECO, None, ("60 words x 3", "--subject uniform_id")),
    Case("19-meco-uniform-id/meco.csv",
         {**MECO, "subject": "uniform_id"}, (60, 3), (), {"kind": "eye_tracking", "context": "trialid"}),
    Case("20-zero-skipped/gd.csv",
         {"responses": "GazeDuration", "group": "item"}, (80, 1), ("times are 0 ms",), {"kind": "eye_tracking", "unit": "ms"}),
    Case("21-text-number-words/numbers.csv", {}, (96, 1)),
    Case("22-leading-zero-subject/sub.csv",
         {}, (40, 3), ("each word is read alone",), {"kind": "reading_times", "unit": "ms"}),
    Case("23-netcdf-brainio/squeezed.nc", {"group": "story"}, (48, 5)),
    Case("23-netcdf-brainio/timebin.nc", {"group": "story"}, (48, 5), ("3 people",)),
    Case("23-netcdf-brainio/subject_uid.nc", {"group": "story"}, (48, 5), ("3 people",)),
    Case("23-netcdf-brainio/subject_uid_ok.nc", {"group": "story"}, (48, 5), ("3 people",)),
    Case("23-netcdf-brainio/dup_neuroid.nc", {"group": "story"}, (48, 5), ("a.0, a.1, b.0, b.1, c.0",)),
    *(Case(f"24-voxel-arrays/{name}.npy", {}, shape) for name, shape in
      (("bigendian", (48, 6)), ("f16", (48, 6)), ("fortran", (48, 6)), ("nanvox", (48, 5)), ("square", (48, 48)))),
    *(Case(f"24-voxel-arrays/{name}", {}, None, words) for name, words in
      (("bool.npy", ("of bool",)), ("complex.npy", ("complex128",)), ("inf.npy", ("infinite responses",)),
       ("structured.npy", ("of fields",)), ("threeD.npy", ("(48, 2, 3)",)), ("transposed.npy", ("looks transposed",)),
       ("struct.mat", ("of fields",)), ("cells.mat", ("--text",)))),
    Case("24-voxel-arrays/int.mat", {}, (48, 6)),
    *(Case(f"25-parquet-hf/{name}.parquet", {}, (48, 1)) for name in ("decimal", "dict_f16", "indexed", "large_null")),
    *(Case(f"25-parquet-hf/{name}.parquet", {}, None, words) for name, words in
      (("timedelta", ("dates or durations",)), ("tokens_list", ("holds arrays",)), ("vector", ("holds arrays",)))),
    Case("26-kind-of-long-rt/long.csv", {}, (150, 3), (), {"kind": "reading_times", "unit": "ms"}),
    Case("26-kind-of-long-rt/mean.csv", {}, (150, 1), (), {"kind": "reading_times", "unit": "ms"}),
    Case("28-case-twins/twins.csv", {}, (80, 1), ("rt was taken as the response and RT left aside",)),
    Case("28-case-twins/word_twins.csv", {}, (80, 1), ("word was taken as the text and Word left aside",)),
    Case("30-spreadsheets/data.xlsx", {}, None, ("not a spreadsheet that can be read",)),
    Case("30-spreadsheets/words.csv.zip", {}, None, ("the response column is constant",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{'-'.join(case.said)}")
def test_each_file_is_understood_or_asked_about(cases, case):
    report = check(cases / case.file, **case.said)
    shown = str(report)
    assert report.ok == (case.shape is not None), shown
    for words in case.words:
        assert words in shown, shown
    if report.ok:
        assert (report.recording.n_stimuli, report.recording.n_targets) == case.shape
        assert {key: getattr(report.recording, key) for key in case.facts} == case.facts
    else:
        assert all(finding.fix for finding in report.errors), shown


def test_what_was_read(cases):
    def read(name, **said):
        return check(cases / name, **said).recording

    capital = read("01-capital-word-null/provo_like.csv")
    assert capital.texts == read("01-capital-word-null/lower.csv").texts and "None" in capital.texts
    quotes = read("02-tsv-bare-quotes/balanced.tsv").texts
    assert quotes[2] == '"Yes,"' and quotes.count('back"') == 6
    numbers = [
        read(f"04-tab-decimal-comma/{name}").responses.values
        for name in ("utf8.tsv", "unicode_text.txt")
    ]
    assert numbers[0][0, 0] == 328.4 and np.array_equal(*numbers)
    assert read("22-leading-zero-subject/sub.csv").subjects.tolist() == ["001", "002", "010"]
    assert "n/a" not in read("08-bids-events-na-word/sub-01_task-story_run-1_events.tsv").texts
    wide = read("18-wide-subject-columns/wide.csv", responses="s{subject}", group="item")
    assert wide.subjects.tolist() == ["01", "02", "03"]
    assert np.isnan(wide.responses.values[0, 0]) and wide.responses.values[0, 1] == 267.91
    squeezed = read("23-netcdf-brainio/squeezed.nc", group="story")
    assert "nan" in squeezed.texts and squeezed.subjects is not None
    assert list(read("24-voxel-arrays/nanvox.npy").responses.target.values) == [
        "target_1", "target_2", "target_3", "target_5", "target_6",
    ]  # fmt: skip


def test_words_are_joined_and_counted_in_their_language(cases):
    from analysis.text.passages import passages
    from data.errors import BrainLensError
    from data.words import log_frequency

    chinese = check(cases / "15-chinese-words/zh.csv").recording
    assert " " not in passages(chinese)[0].text
    treebank = check(cases / "17-punctuation-rows/ptb.csv").recording
    assert passages(treebank)[0].text.startswith("He didn't know,")
    german = check(cases / "16-german-frequency/de.csv", language="de").recording
    zipf = dict(zip(german.texts, log_frequency(german.stimuli["text"], german.language)))
    assert zipf["Der"] == 7.46 and zipf["alte"] == 5.23 and zipf["und"] == 7.42
    with pytest.raises(BrainLensError, match="--language de"):
        log_frequency(german.stimuli["text"], "")


@pytest.mark.starter
def test_the_surprisal_of_words_without_blanks(cases, starter):
    from analysis.features.surprisal import word_surprisal
    from analysis.models.catalog import load

    model = load("smollm2-135m")
    chinese = check(cases / "15-chinese-words/zh.csv").recording
    apart = check(cases / "15-chinese-words/zh.csv", joiner="blank").recording
    story = chinese.column("story") == chinese.column("story")[0]
    together, blanks = (
        word_surprisal(model, one)["uncorrected"][story].sum() for one in (chinese, apart)
    )
    assert abs(together - 131.12) < 0.05 and abs(blanks - 208.73) < 0.05
    told = word_surprisal(
        model, chinese
    )  # where no word begins with a blank there is nothing to correct
    assert told["surprisal"].equals(told["uncorrected"]) and not told.attrs["word_boundary"]
