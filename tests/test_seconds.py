"""What takes long is written down from a report, and waits for the whole suite."""

from __future__ import annotations

import json

from tools.seconds import KEPT, long_ones, written_down


def test_a_report_tells_what_takes_long(tmp_path):
    (tmp_path / "suite.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.test_a" name="test_b[1]" time="0.1"/>'
        '<testcase classname="tests.test_a" name="test_b[2]" time="2.04"/>'
        '<testcase classname="tests.test_a" name="test_c" time="0.24"/></testsuite></testsuites>'
    )
    assert long_ones(tmp_path / "suite.xml") == {"tests.test_a::test_b": 2.0}
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_c(): ...\ndef test_d(): ...\n")
    before = {"tests.test_a::test_c": 0.4, "tests.test_a::test_d": 0.9, "tests.test_a::gone": 1.0}
    found = written_down(tmp_path / "suite.xml", before, tmp_path)
    assert found == {"tests.test_a::test_b": 2.0, "tests.test_a::test_d": 0.9}


def test_a_test_that_is_written_down_is_marked(request):
    """Of those that are run together with this one."""
    written = json.loads(KEPT.read_text(encoding="utf-8"))
    for item in request.session.items:
        name = f"{item.module.__name__}::{getattr(item, 'originalname', item.name)}"
        assert (name in written) == (item.get_closest_marker("long") is not None), name
