"""Views kept by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.page.bookmarks import Bookmarks, keep, kept, remove
from dashboards.page.page import Workbench
from data.errors import BrainLensError


def test_kept_replaced_and_removed(clean_home):
    assert kept() == {}
    keep("Figure 2", "v=1&lens=layers")
    keep("  Figure   3 ", "v=1")
    keep("Figure 2", "v=1&lens=task")
    assert kept() == {"Figure 2": "v=1&lens=task", "Figure 3": "v=1"}
    remove("Figure 3")
    assert list(kept()) == ["Figure 2"]


def test_mistakes_are_explained_and_lose_nothing(clean_home):
    keep("one", "v=1")
    for name, words in ((" ", "has no name"), ("x" * 81, "81 characters")):
        with pytest.raises(BrainLensError, match=words):
            keep(name, "v=1")
    with pytest.raises(BrainLensError, match="Unknown bookmark 'on'; did you mean 'one'"):
        remove("on")
    (clean_home / "bookmarks.json").write_text("{broken")
    keep("two", "v=1")  # damaged ones block nothing
    assert list(kept()) == ["two"]
    assert [path.read_text() for path in clean_home.glob("bookmarks-damaged-*.json")] == ["{broken"]


def test_one_changed_letter_is_found_and_older_files_are_read(clean_home):
    keep("first", "v=1")
    path = clean_home / "bookmarks.json"
    path.write_text('{"old": "v=1"}')  # as they were written before they had a checksum
    keep("new", "v=1&seeds=3")
    assert kept() == {"old": "v=1", "new": "v=1&seeds=3"}
    path.write_text(path.read_text().replace("seeds=3", "seeds=7"))
    assert kept() == {}
    (aside,) = clean_home.glob("bookmarks-damaged-*.json")
    assert "seeds=7" in aside.read_text()


def test_two_at_once_lose_nothing(clean_home):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keep(f"view {number}", "v=1"), range(40)))
    assert len(kept()) == 40


def test_the_dialog_keeps_and_says_what_is_wrong(clean_home):
    gone = []
    marks = Bookmarks(lambda: "v=1&benchmark=blank2014", gone.append)
    marks.open()
    marks._save()
    assert "no name" in marks._problem.object
    marks._name.value_input = "Blank"
    marks._save()
    assert kept() == {"Blank": "v=1&benchmark=blank2014"} and marks._problem.object == ""
    marks._list[0][0].clicks += 1
    assert gone == ["v=1&benchmark=blank2014"] and not marks.dialog.open


def test_a_bookmark_opens_its_view_on_the_page(clean_home):
    bench = Workbench("?benchmark=blank2014&theme=dark")
    bench.go("v=1&lens=untrained&benchmark=futrell2018")
    assert bench.lens.slug == "untrained" and bench.selection.benchmark == "futrell2018"
    assert bench.selection.theme == "dark"  # how the page looks stays as it is
    bench.close()


def test_talk_mode_comes_back_from_a_bookmark_to_the_lens_where_it_began(clean_home):
    keep("before training", "v=1&lens=untrained")
    bench = Workbench("?benchmark=blank2014")
    asked = []
    bench.talk.dialog.param.watch(lambda _: asked.append(bench.talk._question.object), "open")
    bench.talk.start()
    assert asked == [bench.talk._question.object] and asked[0].startswith("Does better")
    first = bench.talk._question.object
    bench.talk.pressed("ArrowLeft")  # to the last: the bookmark
    assert bench.lens.slug == "untrained"
    bench.talk.pressed("ArrowRight")
    assert (bench.lens.slug, bench.selection.benchmark) == ("task", "blank2014")
    assert bench.talk._question.object == first
    bench.talk.pressed("Escape")
    assert not bench.talk.on
    bench.close()
