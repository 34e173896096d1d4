"""Language material: texts, suites, localizer."""

import json

import pandas as pd
import pytest

from data.errors import BrainLensError
from data.readers import texts


def test_any_text_file(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffOne line.\nÉté.\n".encode())
    assert texts.read_text(tmp_path / "a.txt") == "One line.\nÉté.\n"
    pd.DataFrame({"text": ["", " = A = \n", "b\n"]}).to_parquet(tmp_path / "a.parquet")
    assert texts.read_text(tmp_path / "a.parquet") == "\n = A = \nb\n"
    for name, body, message in (
        ("e.txt", b" \n", "is empty"),
        ("b.txt", b"\0\1", "binary data"),
        ("l.txt", b"ok\ncaf\xe9", "byte 0xe9 on line 2"),
    ):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(BrainLensError, match=message):
            texts.read_text(tmp_path / name)
    with pytest.raises(BrainLensError, match="There is no file"):
        texts.read_text(tmp_path / "none.txt")
    pd.DataFrame({"words": ["x"]}).to_parquet(tmp_path / "w.parquet")
    with pytest.raises(BrainLensError, match=r"has no column 'text'. Choices: words"):
        texts.read_text(tmp_path / "w.parquet")
    (tmp_path / "w.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BrainLensError, match=r"w.parquet is not a Parquet file that can be read"):
        texts.read_text(tmp_path / "w.parquet")
    pd.DataFrame({"text": ["a", None, "b"]}).to_parquet(tmp_path / "w.parquet")
    with pytest.raises(
        BrainLensError, match="1 cells of the column 'text' hold no text, first row 2"
    ):
        texts.read_text(tmp_path / "w.parquet")


def test_wikitext_is_counted(tmp_path):
    pd.DataFrame({"text": ["a line\n"] * 4358}).to_parquet(tmp_path / "hub.parquet")
    assert texts.wikitext2(tmp_path / "hub.parquet").count("\n") == 4358
    for name in ("validation.parquet", "test.mine.txt"):  # as the hub and the catalogue name theirs
        path = tmp_path / name
        if path.suffix == ".parquet":
            pd.DataFrame({"text": ["my line\n"] * 4358}).to_parquet(path)
        else:
            path.write_text("my line\n" * 4358)
        assert texts.wikitext2(path).startswith("my line")
    with pytest.raises(
        BrainLensError,
        match=r"has 4,358 lines, WikiText-2 validation has 3,760. Give the file of the",
    ):
        texts.wikitext2(tmp_path / "test.mine.txt", part="validation")
    pd.DataFrame({"text": ["a line\n"] * 100}).to_parquet(tmp_path / "hub.parquet")
    with pytest.raises(BrainLensError, match="has 100 lines, WikiText-2 test has 4,358"):
        texts.wikitext2(tmp_path / "hub.parquet")
    with pytest.raises(
        BrainLensError, match="Unknown part of WikiText-2 'tset'; did you mean 'test'"
    ):
        texts.wikitext2(part="tset")


def suite(**changes):
    regions = [
        {"region_number": i + 1, "content": c} for i, c in enumerate(["The", "", "cat", "sat", "."])
    ]
    conditions = [{"condition_name": name, "regions": regions} for name in ("good", "bad")]
    content = {
        "meta": {"name": "s"},
        "predictions": [{"formula": "(3;%good%) < (3;%bad%)"}],
        "items": [{"item_number": 1, "conditions": conditions}],
        **changes,
    }
    return json.dumps(content)


def test_suites(tmp_path):
    (tmp_path / "s.json").write_text(suite())
    one = texts.read_suite(tmp_path / "s.json")
    assert (
        one.sentence(1, "good") == "The cat sat."
        and len(one.regions) == 10
        and one.predictions == ("(3;%good%) < (3;%bad%)",)
    )
    with pytest.raises(
        BrainLensError, match="Unknown condition of s, item 1 'god'; did you mean 'good'"
    ):
        one.sentence(1, "god")
    (tmp_path / "s.json").write_text(suite(predictions=[{"formula": "(3;%goood%) < (3;%bad%)"}]))
    with pytest.raises(BrainLensError, match=r"Unknown condition in a formula of s.json 'goood'"):
        texts.read_suite(tmp_path / "s.json")
    for body in ("{", "[]", "{}"):
        (tmp_path / "s.json").write_text(body)
        with pytest.raises(BrainLensError, match="is not a SyntaxGym suite"):
            texts.read_suite(tmp_path / "s.json")


@pytest.mark.realdata
def test_the_real_material(mirror):
    assert (
        texts.wikitext2().count("\n") == 4358
        and texts.wikitext2(part="validation").count("\n") == 3760
    )
    assert "<unk>" in texts.wikitext2(id="wikitext-2-tokens") and "<unk>" not in texts.wikitext2()
    suites = texts.syntaxgym()
    assert len(suites) == 31
    assert (
        suites["center_embed"].sentence(1, "plaus")
        == "The painting that the artist painted deteriorated"
    )
    localizer = texts.langloc()
    assert localizer["condition"].value_counts().to_dict() == {"sentence": 240, "non-words": 240}
    assert localizer["text"].iloc[0][0].isupper() or localizer["condition"].iloc[0] == "non-words"
