"""The model hub: from a server on this machine that answers as the hub does, and from a mirror folder."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from analysis.models import catalog
from analysis.models.files import hub
from analysis.progress import Report
from data.errors import BrainLensError, Cancelled

COMMIT = "a" * 40
FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n",
    "config.json": b'{"model_type": "gpt2", "n_layer": 1, "n_embd": 4}',
    "model.safetensors": bytes(range(256)) * 100,
    "onnx/model.onnx": b"x" * 1000,
    "pytorch_model.bin": b"a pickle",
    "tokenizer.json": b"{}",
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers for one model, ``some/model``, and remembers which files were asked for."""

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict] = FILES
    asked: ClassVar[list] = []

    def log_message(self, *_):
        pass

    def _send(self, body, status=200, head=False, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        path = urlsplit(self.path).path
        if re.fullmatch(rf"/api/models/some/model(/revision/(main|v1|{COMMIT}))?", path):
            told = [{"rfilename": name, "size": len(body)} for name, body in self.files.items()]
            about = {
                "id": "some/model",
                "sha": COMMIT,
                "siblings": told,
                "cardData": {"license": "apache-2.0"},
            }
            self._send(json.dumps(about).encode(), Content_Type="application/json")
        elif (
            found := re.fullmatch(rf"/some/model/resolve/(main|v1|{COMMIT})/(.+)", path)
        ) and found[2] in self.files:
            body = self.files[found[2]]
            if not head:
                type(self).asked.append((found[1], found[2]))
            self._send(
                body, head=head, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT
            )
        else:
            code = "RevisionNotFound" if "/some/model" in path else "RepoNotFound"
            self._send(b"{}", 404, head, X_Error_Code=code)


@pytest.fixture
def server(monkeypatch, tmp_path):
    from huggingface_hub import constants

    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "BRAINLENS_MIRROR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("BRAINLENS_PICKLE_WEIGHTS", raising=False)
    Hub.files, Hub.asked = dict(FILES), []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield address
        running.shutdown()


def test_files_sizes_and_licence_are_told_before_anything_is_fetched(server):
    offered = hub.offer("some/model")
    assert list(offered.files) == [
        "README.md",
        "model.safetensors",
        "tokenizer.json",
        "config.json",
    ]
    assert (
        offered.files["model.safetensors"] == 25_600
        and offered.licence == "apache-2.0"
        and offered.commit == COMMIT
    )
    assert offered.size == sum(len(FILES[name]) for name in offered.files) and Hub.asked == []


def test_a_model_is_fetched_file_by_file_with_its_licence_and_without_pickles(server):
    seen = []
    folder = hub.fetch(
        "some/model",
        report=Report(on_progress=lambda done, total, what, left: seen.append((done, total, what))),
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert folder.name == COMMIT and [name for _, name in Hub.asked][-1] == "config.json"
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][0] == seen[-1][1] == hub.offer("some/model").size
    assert {what for _, _, what in seen} >= {"bytes of model.safetensors", "bytes of config.json"}
    asked = list(Hub.asked)
    assert hub.fetch("some/model") == hub.cached("some/model") == folder and Hub.asked == asked


def test_a_pinned_revision_is_found_by_its_name(server):
    folder = hub.fetch("some/model", "v1")
    assert hub.cached("some/model", "v1") == folder and hub.cached("some/model") is None
    assert hub.fetch("some/model", COMMIT) == folder
    with pytest.raises(BrainLensError, match="some/model has no revision 'v2'"):
        hub.fetch("some/model", "v2")
    with pytest.raises(BrainLensError, match="The model hub has no model 'other/model'"):
        hub.fetch("other/model")


def test_a_cancel_stops_between_files_and_half_a_model_is_none(server):
    report = Report()

    def stop(done, total, what, left):
        if what == "bytes of tokenizer.json":
            report.cancel()

    report._on_progress = stop
    with pytest.raises(Cancelled):
        hub.fetch("some/model", report=report)
    assert hub.cached("some/model") is None and "config.json" not in [name for _, name in Hub.asked]
    before = len(Hub.asked)
    hub.fetch("some/model")
    assert "model.safetensors" not in [
        name for _, name in Hub.asked[before:]
    ]  # what has come is kept


def test_a_part_that_the_index_names_is_missed(server):
    parts = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    del Hub.files["model.safetensors"]
    Hub.files |= {
        "model-1.safetensors": b"1",
        "model-2.safetensors": b"2",
        hub.INDEX: json.dumps(parts).encode(),
    }
    folder = hub.fetch("some/model")
    (folder / "model-2.safetensors").unlink()
    assert hub.cached("some/model") is None
    assert hub.fetch("some/model") == folder and (folder / "model-2.safetensors").exists()


def test_weights_that_are_a_pickle_are_fetched_only_for_who_insists(server, monkeypatch):
    del Hub.files["model.safetensors"]
    with pytest.raises(BrainLensError, match="pickle only"):
        hub.fetch("some/model")
    monkeypatch.setenv("BRAINLENS_PICKLE_WEIGHTS", "1")
    assert (hub.fetch("some/model") / "pytorch_model.bin").exists()


def test_what_is_no_model_is_refused(server):
    del Hub.files["config.json"]
    with pytest.raises(BrainLensError, match=r"some/model has no config.json"):
        hub.fetch("some/model")


@pytest.mark.parametrize(
    ("revision", "name"),
    [("", "some--model"), ("main", "some--model"), ("refs/pr/1", "some--model@refs--pr--1")],
)
def test_a_mirror_folder_stands_in_for_the_hub(tmp_path, monkeypatch, revision, name):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("BRAINLENS_MIRROR", tmp_path.as_uri())
    folder = tmp_path / "models" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(FILES["config.json"])
    with pytest.raises(BrainLensError, match="switched off"):
        hub.fetch("some/model", revision)
    (folder / "model.safetensors").write_bytes(b"weights")
    assert hub.fetch("some/model", revision) == folder
    assert hub.cached("some/model", "step1000") is None  # another revision is another model
    assert catalog.state(f"some/model@revision:{revision}" if revision else "some/model") == "ready"
