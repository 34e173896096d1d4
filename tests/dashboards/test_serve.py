"""A lab's server: who comes in, what each person sees, and ten ways in that stay shut."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from dashboards.command.cli import main
from dashboards.page import bookmarks
from dashboards.page.checks import checks
from dashboards.serve import hardening, passwords
from dashboards.serve.passwords import Brake
from dashboards.serve.rules import Rules
from dashboards.serve.run import Plan, _provider
from dashboards.state import Selection
from data.catalog import shelf
from data.catalog.catalog import recording, signature
from data.errors import BrainLensError
from data.gate import existing, may_be_named
from data.home import acting_for, home, personal
from data.rights import require, require_room, ruled_by

PASSWORD = "correct horse battery"
RULES = '[embed]\norigins = ["https://lab.example.org"]\n[limits]\nmessage_megabytes = 1\n'


# ---- who comes in -----------------------------------------------------------------------------------------------------------
def test_a_page_without_a_login_can_be_served(clean_home):
    from bokeh.server.tornado import BokehTornado

    plan = Plan("localhost").checked(Rules())
    page = BokehTornado(
        {}, auth_provider=_provider(plan, Rules()), extra_websocket_origins=["localhost"]
    )
    assert page.auth_provider.get_user is None  # and everybody is let in


def test_nobody_listens_beyond_this_machine_without_a_way_to_log_in(clean_home):
    for plan in (Plan("0.0.0.0"), Plan("192.168.1.5"), Plan("::")):
        with pytest.raises(BrainLensError, match=r"without logging in.*--login password.*--open"):
            plan.checked(Rules())
    assert (
        Plan("0.0.0.0", open=True)
        .checked(Rules())
        .warning()
        .startswith("Open: everybody who reaches 0.0.0.0")
    )
    assert Plan("localhost").checked(Rules()).warning() == ""
    with pytest.raises(BrainLensError, match=r"Nobody has a password yet.*brainlens users add"):
        Plan("0.0.0.0", login="password").checked(Rules())
    with pytest.raises(BrainLensError, match="header is not named"):
        Plan(login="proxy").checked(Rules())
    with pytest.raises(BrainLensError, match=r"called 'magic'.*password"):
        Plan(login="magic").checked(Rules())
    run = CliRunner().invoke(main, ["serve", "--address", "0.0.0.0"])
    assert run.exit_code == 1 and "without logging in" in run.output


def test_passwords_are_hashes(clean_home):
    run = CliRunner().invoke(main, ["users", "add", "ada", "--password", PASSWORD])
    assert run.exit_code == 0 and passwords.names() == ["ada"]
    path = passwords.password_file()
    assert PASSWORD not in path.read_text() and "scrypt$" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert passwords.check("ada", PASSWORD) and not passwords.check("ada", PASSWORD + "x")
    assert not passwords.check("bob", PASSWORD) and not passwords.check("", "")
    for name in ("", "a:b", "a\nb:c", "../x", "a" * 65):
        with pytest.raises(BrainLensError, match="is no name"):
            passwords.add(name, PASSWORD)
    with pytest.raises(BrainLensError, match="has 5 characters"):
        passwords.add("bob", "short")
    passwords.remove("ada")
    assert not passwords.check("ada", PASSWORD)
    path.write_text("ada:scrypt$x\nbob\n:::\n")  # damaged lines let nobody in
    assert not passwords.check("ada", "") and not passwords.check("bob", "")


def test_a_browser_that_leaves_is_no_line_of_the_log():
    from tornado.iostream import StreamClosedError
    from tornado.websocket import WebSocketClosedError

    from dashboards.serve.hardening import tells

    def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
        found = (type(error), error, None) if error else None
        return logging.LogRecord("asyncio", logging.ERROR, "", 1, message, (), found)

    never = "Task exception was never retrieved"
    assert tells(record("Task was destroyed")) and tells(record(never, ValueError("ours")))
    assert not tells(record(never, WebSocketClosedError()))
    assert not tells(record(never, StreamClosedError()))
    assert not tells(record("Failed sending message as connection was closed"))


def test_guessing_is_slowed_down():
    now = [0.0]
    brake = Brake(free=3, longest=60, clock=lambda: now[0])
    for _ in range(3):
        assert brake.wait("name:ada", "from:x") == 0
        brake.failed("name:ada", "from:x")
    assert brake.wait("name:ada", "from:y") == pytest.approx(1.0)  # from elsewhere too
    waits = []
    for _ in range(10):
        now[0] += brake.wait("name:ada")
        brake.failed("name:ada")
        waits.append(brake.wait("name:ada"))
    assert waits == sorted(waits) and waits[-1] == 60
    brake.passed("name:ada")
    assert brake.wait("name:ada") == 0


def test_the_servers_file(clean_home, tmp_path):
    path = tmp_path / "server.toml"
    path.write_text(
        '[rights]\nadministrators = ["ada"]\nfetch = "everybody"\n[quota]\nmegabytes = 5\n[embed]\norigins = ["https://lab.org"]\n'
        '[limits]\nidle_minutes = 10\n[proxy]\nheader = "X-User"\nfrom = ["10.0.0.1"]\n'
    )
    rules = Rules.read(path)
    assert (
        rules.may("bob", "fetch") and not rules.may("bob", "remove") and rules.may("ada", "remove")
    )
    assert (
        rules.quota("bob") == 5_000_000
        and rules.quota("ada") is None
        and rules.proxies == ("10.0.0.1",)
    )
    for text, words in (
        ("[right]\nx = 1", "did you mean 'rights'"),
        ("[rights]\nfetsch = 'everybody'", "did you mean 'fetch'"),
        ("[rights]\nfetch = 'all'", "is not everybody or administrators"),
        ("[quota]\nmegabytes = 'much'", "is not a positive number"),
        ('[embed]\norigins = ["https://a.b; script-src *"]', "is not a list of texts"),
        ("rights = 3", "is no table"),
        ("[", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(BrainLensError, match=words):
            Rules.read(path)
    assert Rules.read(tmp_path / "none.toml") == Rules()


# ---- what each person sees ------------------------------------------------------------------------------------------------
TABLE = b"sentence,r1\n" + b"".join(b"word %d here,%d.5\n" % (i, i) for i in range(20))


def test_bookmarks_uploads_and_results_are_a_persons_own(clean_home):
    with acting_for("ada"):
        bookmarks.keep("mine", "lens=layers")
        shelf.keep(shelf.stage({"mine.csv": TABLE}), "mine", text="sentence", responses=["r1"])
        assert list(bookmarks.kept()) == ["mine"] and list(shelf.kept()) == ["mine"]
        assert recording("mine").n_stimuli == 20
        seen = signature("mine")
    with acting_for("bob"):
        assert bookmarks.kept() == {} and shelf.kept() == {} and signature("mine") != seen
        with pytest.raises(BrainLensError, match="Unknown recording 'mine'"):
            recording("mine")
    names = [personal()]
    for name in ("ada", "a/../b", "..", "ADA", "a" * 500, "ä", "ada "):
        with acting_for(name):
            names.append(personal())
            assert personal().parent == home("people")
    assert len(set(names)) == len(names)


def test_a_recording_whose_facts_are_damaged_is_left_out_and_told_once(clean_home, caplog):
    shelf.keep(shelf.stage({"mine.csv": TABLE}), "mine", text="sentence", responses=["r1"])
    about = home("recordings", "own") / "mine" / "about.json"
    for content in ("", "{}", "[]", "null"):
        about.write_text(content)
        assert shelf.kept() == {} == shelf.kept()
    said = [one.message for one in caplog.records if "this recording is left out" in one.message]
    assert len(said) == len(set(said)) == 3  # a list and null fail alike: said once


def test_what_is_shared_is_changed_by_those_who_may(clean_home):
    from analysis.models.removal import remove as remove_model
    from analysis.store.store import Store
    from data.catalog.catalog import remove

    ruled_by(Rules(administrators=("ada",), megabytes=1))
    try:
        with acting_for("bob"):
            for step in (
                lambda: require("fetch"),
                lambda: Store().clear(),
                lambda: remove("natural-stories"),
            ):
                with pytest.raises(BrainLensError, match="bob may not"):
                    step()
            folder = home("models") / "shared"
            folder.mkdir()
            (folder / "card.json").write_text('{"adapter": "ngram", "cls": "n-gram"}')
            with pytest.raises(BrainLensError, match="bob may not remove"):
                remove_model("shared")
            assert folder.exists()
            shelf.keep(shelf.stage({"mine.csv": TABLE}), "mine", text="sentence", responses=["r1"])
            assert remove("mine") > 0  # one's own
            with pytest.raises(BrainLensError, match="1 MB are allowed"):
                require_room(2_000_000)
            with pytest.raises(BrainLensError, match="1 MB are allowed"):
                shelf.stage({"big.csv": b"x" * 2_000_000})
        with acting_for("ada"):
            require("clear")
            require_room(2_000_000)
    finally:
        ruled_by(None)


def test_a_job_acts_for_the_person_who_asked(clean_home):
    from dashboards.work.jobs import Runner
    from data.home import person

    runner, told, logged = Runner(), [], []
    runner.tell(lambda job: logged.append((job.person, job.title, job.state)))
    with acting_for("ada"):
        runner.submit("k", "gpt2 on x", lambda report: person(), lambda event: told.append(event))
    until = time.monotonic() + 180
    while not (told and told[-1].kind == "done") and time.monotonic() < until:
        time.sleep(0.01)
    assert told[-1].result == "ada" and logged == [("ada", "gpt2 on x", "done")]


# ---- one gate for every path --------------------------------------------------------------------------------------------------
@pytest.fixture
def lab(clean_home, tmp_path, monkeypatch):
    """A served home, a secret beside it, and a link that points out."""
    monkeypatch.setenv("BRAINLENS_SERVED", "1")
    secret = tmp_path / "private.csv"
    secret.write_bytes(TABLE)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (home("recordings") / "link.csv").symlink_to(secret)
    (home("recordings") / "inside.csv").write_bytes(TABLE)
    with acting_for("eve"):
        (personal() / "theirs.csv").write_bytes(TABLE)
    return tmp_path


def outside(lab) -> list[str]:
    with acting_for("eve"):
        eve = personal()
    paths = [
        lab / "private.csv",
        lab / "model",
        home("recordings") / "link.csv",
        home("server") / "passwords",
        eve / "theirs.csv",
        home("recordings") / ".." / ".." / "private.csv",
        "/etc/passwd",
        "/",
        "~",
        "~root/.bashrc",
        "/proc/self/environ",
    ]
    return [*map(str, paths), f"file://{lab}/private.csv", os.path.relpath(lab / "private.csv")]


def test_files_of_the_server_cannot_be_named(lab):
    from analysis.answers.versions import compare
    from analysis.models.catalog import card, load
    from dashboards.work.text_computations import words_of

    (home("server") / "passwords").write_text("ada:x\n")
    check = checks()
    with acting_for("ada"):
        for name in outside(lab):
            assert existing(name) is None and not (
                Path(name).is_absolute() and may_be_named(name)
            ), name
            for field in ("models", "recording", "corpora", "neural", "text"):
                with pytest.raises(BrainLensError):
                    check[field](name)
            for step in (recording, load, card, words_of):
                with pytest.raises(BrainLensError) as told:
                    step(name)
                assert TABLE.decode()[:12] not in str(told.value)
        there, absent = str(lab / "private.csv"), str(lab / "absent.csv")
        answers = []
        for name in (there, absent):
            with pytest.raises(BrainLensError) as told:
                recording(name)
            answers.append(str(told.value).replace(name, "X"))
        assert answers[0] == answers[1]  # not even whether it exists
        assert (
            recording(home("recordings") / "inside.csv", text="sentence", responses="r1").n_stimuli
            == 20
        )
    assert compare is not None


def test_on_a_machine_of_ones_own_any_file_may_be_named(lab, monkeypatch):
    monkeypatch.setenv("BRAINLENS_SERVED", "")
    assert recording(lab / "private.csv", text="sentence", responses="r1").n_stimuli == 20
    checks()["recording"](str(lab / "private.csv"))


def links(count: int):
    """Random addresses: fields that exist and do not, paths, markup, bytes."""
    import random

    pick = random.Random(20)
    fields = [
        *Selection.param,
        "models",
        "recording",
        "text",
        "corpora",
        "set.folds",
        "set.alphas",
        "set.x",
        "bokeh",
        "embed",
        "",
    ]
    values = ["~nobodyuser/x", "\x00", "../" * 30 + "etc/passwd", "<script>alert(1)</script>", "a" * 3000, "%", "%zz", "\udcff",
              "gpt2@untrained:init:99999999999999999999", "gpt2@noise:1-:x", "@", "#", "simulated#", "x.csv#y:z", "-1", "1e999",
              "nan", "{}", "[]", "none", "javascript:alert(1)", "\u202e", "' or 1=1", "layers", "/", "~", "C:\\x", "//host/share",
              "random-0", "random-999999999", "owner/name", "owner/name@revision:", "zoo-causal-200k@lesion:x"]  # fmt: skip
    for _ in range(count):
        parts = []
        for _ in range(pick.randint(0, 6)):
            noise = "".join(chr(pick.randint(1, 0x2FFF)) for _ in range(pick.randint(1, 30)))
            value = pick.choice(values) if pick.random() < 0.8 else noise
            quoted = (
                urllib.parse.quote(value, errors="surrogatepass") if pick.random() < 0.8 else value
            )
            parts.append(f"{pick.choice(fields)}={quoted}")
        yield "?" + "&".join(parts)


def test_five_hundred_random_links_end_in_words(lab):
    with acting_for("ada"):
        for link in links(500):
            selection = Selection()
            for words in selection.read(link, checks()):
                assert "Traceback" not in words
            Selection().read(selection.query(), checks())  # its own link, again


# ---- a real server, attacked ---------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def serving(folder, *options: str, rules: str = RULES, env: dict[str, str] | None = None):
    """A server with passwords for ada and bob, where nothing else is asked for: its address and its log."""
    import socket

    environment = {
        **os.environ,
        "BRAINLENS_HOME": str(folder / "home"),
        "BRAINLENS_SHARED": "",
        "BRAINLENS_MIRROR": "",
        **(env or {}),
    }
    patch = pytest.MonkeyPatch()
    patch.setenv("BRAINLENS_HOME", str(folder / "home"))
    for name in ("ada", "bob"):
        passwords.add(name, PASSWORD)
    (home("server") / "server.toml").write_text(rules)
    patch.undo()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from dashboards.command.cli import main; main()",
        "serve",
        *(options or ("--login", "password")),
        "--port",
        str(port),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder
        )
    base = f"http://localhost:{port}"
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{base}/health", timeout=2).close()
            break
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.2)
    assert process.poll() is None, (folder / "log").read_text()
    try:
        yield base, folder / "log"
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve")) as server:
        yield server


class Browser:
    """Cookies and no redirects unless asked."""

    def __init__(self, base: str):
        self.base, self.jar = base, http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def ask(self, path: str, data: dict | bytes | None = None, **headers):
        """Status, headers, text, and where it ended."""
        body = urllib.parse.urlencode(data).encode() if isinstance(data, dict) else data
        request = urllib.request.Request(self.base + path, body, headers)
        try:
            with self._open.open(request, timeout=60) as answer:
                return (
                    answer.status,
                    answer.headers,
                    answer.read().decode("utf-8", "replace"),
                    answer.url,
                )
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode("utf-8", "replace"), error.url

    def login(self, name: str, password: str = PASSWORD):
        return self.ask("/login", {"username": name, "password": password})

    def token(self) -> str:
        """Of a page's session."""
        return re.search(r'"token"\s*:\s*"([^"]+)"', self.ask("/app")[2])[1]

    @property
    def cookie(self) -> str:
        return "; ".join(f"{one.name}={one.value}" for one in self.jar)


def connect(
    base: str,
    token: str,
    *,
    cookie: str = "",
    origin: str | None = None,
    send: list | None = None,
    patience: float = 3,
) -> str:
    """``open``, or why a websocket was refused or closed."""
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import WebSocketClosedError, websocket_connect

    async def run() -> str:
        headers = {"Sec-WebSocket-Protocol": f"bokeh, {token}", "Origin": origin or base}
        if cookie:
            headers["Cookie"] = cookie
        request = HTTPRequest(base.replace("http", "ws") + "/app/ws", headers=headers)
        try:
            socket = await asyncio.wait_for(
                websocket_connect(request, subprotocols=["bokeh", token]), 30
            )
        except HTTPClientError as error:
            return str(error.code)
        first = await asyncio.wait_for(socket.read_message(), 60)
        if first is None:
            return f"closed {socket.close_code}"
        try:
            for one in send or []:
                await socket.write_message(one)
        except WebSocketClosedError:  # it ended at an earlier one
            return f"closed {socket.close_code}"
        if send:
            for _ in range(20):
                answer = await asyncio.wait_for(socket.read_message(), patience)
                if answer is None:
                    return f"closed {socket.close_code}"
        return "open"

    # in a thread of its own: a browser of another test may leave this one with a running loop
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, run()).result()


def test_a_stranger_sees_the_form_and_health_only(running):
    base, _ = running
    stranger = Browser(base)
    status, headers, text, url = stranger.ask("/app")
    assert (
        url.startswith(f"{base}/login")
        and "Password" in text
        and "http" not in re.sub(r"http-equiv", "", text.split("<body>")[1])
    )
    assert json.loads(stranger.ask("/health")[2])["status"] == "ok"
    assert "script-src-attr 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'self' https://lab.example.org" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and "Server" not in headers
    for path in ("/app/autoload.js?bokeh-autoload-element=x", "/app/metadata"):
        status, _, text, url = stranger.ask(path)
        assert status in (401, 403) or "/login" in url, path
    status, _, text, _ = stranger.ask("/metrics")
    assert status == 200 and "brainlens_sockets" in text
    assert Browser(base).ask("/metrics", **{"X-Forwarded-For": "1.2.3.4"})[0] == 403


def test_paths_out_of_the_servers_folders(running):
    base, _ = running
    browser = Browser(base)
    browser.login("ada")
    for path in ("/static/../../../../etc/passwd", "/static/..%2f..%2f..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd",
                 "/static/extensions/panel/../../../../../../etc/passwd", "/components/../../etc/passwd", "//etc/passwd",
                 "/static//etc/passwd", "/components/panel.io.server/state/..%2f..%2fetc/passwd"):  # fmt: skip
        status, _, text, _ = browser.ask(path)
        assert "root:" not in text and status in (400, 403, 404, 500), path


def test_login_gives_a_new_cookie_and_the_old_one_is_worth_nothing(running):
    base, log = running
    browser = Browser(base)
    fixed = urllib.request.Request(
        f"{base}/app", headers={"Cookie": "user=ada; id_token=x; is_guest=1"}
    )
    assert "/login" in urllib.request.urlopen(fixed).url  # a cookie that nobody signed
    assert "/login" not in browser.login("ada")[3] and browser.ask("/app")[0] == 200
    cookie = next(one for one in browser.jar if one.name == "user")
    assert (
        cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Lax"
    )
    assert PASSWORD not in log.read_text() and "login: ada" in log.read_text()
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        other = Browser(base)
        other.ask("/login?" + urllib.parse.urlencode({"next": target}))
        assert other.login("bob")[3].startswith(base)


def test_a_session_cannot_be_chosen_by_a_link(running):
    base, _ = running
    ada, bob = Browser(base), Browser(base)
    ada.login("ada"), bob.login("bob")
    identity = re.search(r'"session_id"\s*:\s*"([^"]+)"', _payload(ada.token()))[1]
    assert bob.ask(f"/app?bokeh-session-id={identity}")[0] == 403
    assert bob.ask("/app", **{"Bokeh-Session-Id": identity})[0] == 403


def _payload(token: str) -> str:
    import base64

    body = token.split(".")[0]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "replace")


def test_websockets_of_other_sites_and_of_nobody(running):
    base, _ = running
    ada = Browser(base)
    ada.login("ada")
    assert connect(base, ada.token(), cookie=ada.cookie) == "open"
    assert connect(base, ada.token(), cookie=ada.cookie, origin="https://evil.example") == "403"
    assert connect(base, ada.token()) != "open"  # a stolen token without the cookie
    assert connect(base, "x.y", cookie=ada.cookie) != "open"
    bob = Browser(base)
    bob.login("bob")
    assert connect(base, ada.token(), cookie=bob.cookie) != "open"  # somebody else's session


def test_a_server_called_by_another_name_is_not_there(running):
    base, _ = running
    assert Browser(base).ask("/app", Host="evil.example")[0] == 403
    assert Browser(base).ask("/app?" + "x" * 20_000)[0] == 414


def test_forms_of_other_sites_and_vast_ones(running):
    base, _ = running
    # "null" is what a form in a sandboxed frame or a data: page sends
    for origin in ("https://evil.example", "null", "https://localhost.evil.example"):
        form = {"username": "ada", "password": PASSWORD}
        assert Browser(base).ask("/login", form, Origin=origin)[0] == 403
    assert Browser(base).ask("/login", {"username": "ada", "password": "x" * 20_000})[0] == 413


def test_forged_and_oversized_messages_end_one_socket_and_not_the_server(running):
    base, _ = running
    ada = Browser(base)
    ada.login("ada")
    told = connect(base, ada.token(), cookie=ada.cookie, send=["x" * 3_000_000])
    assert told.startswith("closed")
    header = json.dumps({"msgid": "1", "msgtype": "PATCH-DOC"})
    forged = [{"kind": "ModelChanged", "model": {"id": "p9999"}, "attr": "value", "new": "../../etc/passwd"},
              {"kind": "ModelChanged", "model": {"id": "p1001"}, "attr": "__class__", "new": {"type": "object", "name": "os"}},
              {"kind": "RootAdded", "model": {"type": "object", "name": "panel.models.markup.HTML", "id": "x"}},
              {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": {"type": "event", "name": "x"}}]  # fmt: skip
    for event in forged:
        connect_and_forget(base, ada, [header, "{}", json.dumps({"events": [event]})])
    connect_and_forget(base, ada, ["{", "}", "not json", "\x00"])
    assert Browser(base).ask("/health")[0] == 200 and ada.ask("/app")[0] == 200


def connect_and_forget(base: str, browser: Browser, send: list) -> None:
    with contextlib.suppress(TimeoutError):
        connect(base, browser.token(), cookie=browser.cookie, send=send, patience=0.5)


def test_guesses_are_refused_after_a_few(tmp_path):
    """A server of its own: everybody at this address has to wait afterwards."""
    with serving(tmp_path) as (base, log):
        statuses = [Browser(base).login("carl", f"guess number {i}")[0] for i in range(8)]
        assert 429 in statuses and "guess number" not in log.read_text()
        Browser(base).login("carl", "again")
        assert Browser(base).login("carl", "again")[0] == 429


@pytest.mark.parametrize("https", [False, True])
def test_cookies_of_every_handler_are_careful(https):
    """Panel's own of a provider's login have no flags."""
    from tornado.web import Application, RequestHandler

    told = []
    give = hardening.careful(lambda self, *given, **named: told.append(named), https)
    handler = type(
        "Login", (RequestHandler,), {"set_cookie": give, "__init__": lambda self: None}
    )()
    handler.application = Application(cookie_secret="x" * 32)
    handler.set_secure_cookie("access_token", "abc", expires_days=1.0)
    give(handler, "user", "ada", samesite="Strict", secure=True, path="/lab")
    assert [one.get("secure", False) for one in told] == [https, True]
    assert [one["samesite"] for one in told] == ["Lax", "Strict"]
    assert told[1]["path"] == "/lab" and told[0]["expires_days"] == 1.0


def test_what_a_page_sends_while_it_closes_is_no_error():
    from bokeh.document import Document
    from bokeh.protocol import Protocol
    from bokeh.server.connection import ServerConnection
    from bokeh.server.session import ServerSession

    socket = SimpleNamespace(connection=None)
    assert not hardening.session_ended(socket)  # not opened yet
    session = ServerSession("one", Document())
    socket.connection = ServerConnection(Protocol(), socket, None, session)
    assert not hardening.session_ended(socket)
    socket.connection.detach_session()
    with pytest.raises(AssertionError):
        _ = socket.connection.session  # what answering it would end in
    assert hardening.session_ended(socket)


def test_idle_sockets_end_and_those_whose_browser_vanished():
    class Socket:
        closed = None

        def close(self, code, reason):
            self.closed = reason

    idle, new, vanished, quiet = Socket(), Socket(), Socket(), Socket()
    done = {idle: 0.0, new: 3000.0, vanished: 2700.0, quiet: 2700.0}
    heard = {idle: 3090.0, new: 3000.0, vanished: 2750.0, quiet: 3090.0}  # pings are answered
    hardening.SOCKETS.update(done)
    hardening.HEARD.update(heard)
    assert hardening.end_idle(30, now=3100.0) == 2
    assert idle.closed == "nothing was done for a while" and vanished.closed == "not heard of"
    assert new.closed is quiet.closed is None and hardening.end_idle(30, now=3100.0) == 0
    del hardening.SOCKETS[new], hardening.SOCKETS[quiet]
