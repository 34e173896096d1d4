"""Names of columns and levels stay names and texts in the formulas that leave for R: none of them becomes code."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from analysis.reading.formula import Name, Text, parse
from analysis.reading.r_folder import _smooth

NASTY = (
    "x), system('touch ran'), c(y",
    'x), system("touch ran"), c(y',
    "a\\",
    "a`, system('touch ran'), `b",
    "\\`; system('touch ran')",
    '"); system("touch ran"); c("',
    "a b",
    "ünï",
    "=1+1",
    "%s%d",
    '\\\\"',
    "'",
)


def formula(column: str, level: str) -> str:
    return f"log(rt) ~ surprisal + {Name(column)} + relevel(cond, ref = {Text(level)}) + (1 | person) + (1 | {Name(column)})"


@pytest.mark.parametrize("nasty", NASTY)
def test_names_and_levels_come_back_as_they_were(nasty):
    read = parse(formula(nasty, nasty))
    assert parse(str(read)) == read and nasty in read.columns
    assert read.random[1].group == (nasty,) and read.random[1].group_name == nasty
    (call,) = (one for term in read.terms for one in term if getattr(one, "function", "") == "relevel")  # fmt: skip
    assert call.arguments[1].value == Text(nasty)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_reads_them_as_names_and_texts_too(tmp_path):
    read = [parse(formula(nasty, nasty)) for nasty in NASTY]
    every = [said for one in read for said in (str(one), _smooth(one))]
    called = "f <- as.formula(%s)\ncat(setdiff(all.names(f), all.vars(f)), sep = '\\n')\n"
    lines = "".join(called % json.dumps(one, ensure_ascii=False) for one in every)
    done = subprocess.run(["Rscript", "-e", lines], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    assert set(done.stdout.split()) <= {"~", "+", "|", "(", "log", "relevel", "s"}  # what is called
    assert not (tmp_path / "ran").exists()
