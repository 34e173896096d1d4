"""A disk that takes no more is one message with the folder and its free bytes, whoever writes: a call, a command, the page."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.design.templates import write_templates
from analysis.models.operators.reader import save
from analysis.paper.handover import write_r_files
from analysis.scoring.verb import score
from dashboards.command.cli import main
from dashboards.work.cards import explain
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.files import DiskError, no_room
from data.own.write import write

QUICK = dict(
    ceiling="none", controls=(), folds=3, inner_folds=2, bootstrap=20, shuffled_twin=False, seeds=1
)
NUMBERS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)


@pytest.fixture
def broken(monkeypatch):
    """Whatever makes a folder or opens a file to be written fails from now on; what is there can be read."""

    def arm(number: int) -> None:
        plain, opened = os.mkdir, os.open

        def fails(path, *more, **named):
            if not Path(os.fsdecode(path)).is_dir():
                raise OSError(number, os.strerror(number), os.fspath(path))
            return plain(path, *more, **named)

        def only_read(path, flags, *more, **named):
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(number, os.strerror(number), os.fspath(path))
            return opened(path, flags, *more, **named)

        def read(file, mode="r", *more, **named):
            if set(mode) & set("wax+") and isinstance(file, str | Path):
                raise OSError(number, os.strerror(number), os.fspath(file))
            return plain_open(file, mode, *more, **named)

        import builtins
        import io

        plain_open = builtins.open
        monkeypatch.setattr(os, "mkdir", fails)
        monkeypatch.setattr(os, "open", only_read)
        monkeypatch.setattr(builtins, "open", read)
        monkeypatch.setattr(io, "open", read)

    return arm


@pytest.mark.parametrize("number", NUMBERS)
def test_everything_that_leaves_says_it(tmp_path, broken, number):
    from analysis.protocol import preset

    made, mine = score("random-8", "simulated", preset("defended").but(**QUICK)), recording("simulated")  # fmt: skip
    items = pd.DataFrame({"text": ["One.", "Two."]})
    broken(number)
    for ending in (".csv", ".tsv", ".npy", ".npz", ".mat"):
        with pytest.raises(DiskError, match="bytes are free"):
            write(mine, tmp_path / f"mine{ending}")
    for step in (
        lambda: write_templates(items, tmp_path / "t", kind="rating"),
        lambda: write_r_files([made], tmp_path / "R"),
        lambda: save("net-1x64-forward-none-x.h.add.sin", tmp_path / "net"),
    ):
        with pytest.raises(DiskError, match="bytes are free"):
            step()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_file_that_did_not_fit(tmp_path, monkeypatch):
    def cut(self, path, **more):
        Path(path).write_text("half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", cut)
    with pytest.raises(DiskError, match="the disk is full"):
        write(recording("simulated"), tmp_path / "mine.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_commands_and_the_page_say_it_whatever_raised_it(monkeypatch, tmp_path, number):
    raw = OSError(number, os.strerror(number), str(tmp_path / "x"))

    def fails(*_, **__):
        raise RuntimeError("in a library") from raw

    monkeypatch.setattr("dashboards.command.cli.names", fails)
    told = CliRunner().invoke(main, ["users", "list"])
    assert told.exit_code == 1 and told.output.startswith(f"Error: Nothing could be written to {tmp_path}: ")  # fmt: skip
    assert "bytes are free" in told.output and "Traceback" not in told.output
    head, cause, remedy = explain(raw)
    assert head == "The disk takes no more" and str(tmp_path) in cause and "Make room" in remedy
    bare = no_room(OSError(number, os.strerror(number)))  # no file is named
    assert bare is not None and "bytes are free" in str(bare)


def test_other_errors_stay_what_they_are():
    for error in (FileNotFoundError(errno.ENOENT, "x"), ValueError("x"), BrainLensError("x")):
        assert no_room(error) is None
    assert explain(ValueError("x"))[0] == "Something broke"
