"""A lab's server behind a proxy with a prefix and an OAuth provider (small ones of our own): its people come in, nobody else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import importlib.util
import json
import re
import threading
import time
import urllib.request
from urllib.parse import urljoin, urlsplit

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler

from dashboards.serve.rules import Rules
from dashboards.serve.run import Plan, _encrypt
from data.errors import BrainLensError
from tests.dashboards.test_serve import PASSWORD, Browser, connect, serving

PREFIX = "/lab"
ENCRYPTS = importlib.util.find_spec("cryptography") is not None


PUBLIC = "https://lab.example.org"


class Proxy:
    """What nginx, Apache or Caddy do: HTTPS ends here (told, not spoken), the host's name stays, whence it came is added."""

    def __init__(self, upstream: int):
        self._upstream, ready = upstream, threading.Event()

        def serve():
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            server = self._loop.run_until_complete(
                asyncio.start_server(self._client, "127.0.0.1", 0)
            )
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            self._loop.run_forever()
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert ready.wait(30)

    async def _client(self, reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        told = dict(line.split(": ", 1) for line in lines[1:])
        named = {name.lower(): value for name, value in told.items()}
        upgrade = named.get("upgrade", "")
        kept = {
            name: value
            for name, value in named.items()
            if not name.startswith(("x-forwarded", "connection", "host"))
        }
        kept |= {
            "host": "lab.example.org",
            "connection": "upgrade" if upgrade else "close",
            "x-forwarded-for": f"6.6.6.6, {named.get('x-test-from', '10.0.0.1')}",
            "x-forwarded-proto": "https",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
        far, out = await asyncio.open_connection("127.0.0.1", self._upstream)
        out.write(f"{lines[0]}\r\n{head}\r\n".encode("latin-1"))
        await asyncio.gather(_pipe(reader, out), _pipe(far, writer), return_exceptions=True)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)


async def _pipe(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


class Outside(Browser):
    """A browser that knows the public name only; its HTTPS goes to the proxy."""

    def __init__(self, proxy: Proxy, came_from: str = "10.0.0.1"):
        super().__init__(PUBLIC)

        class Through(urllib.request.HTTPSHandler):
            def https_open(self, request):
                request.add_header("X-Test-From", came_from)
                return self.do_open(
                    lambda host, **more: http.client.HTTPConnection(
                        "127.0.0.1", proxy.port, **more
                    ),
                    request,
                )

        self._open = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.jar), Through()
        )


@contextlib.contextmanager
def behind(folder, *options: str, **more):
    """A server behind a proxy: the proxy, the server's own address, its log."""
    with serving(
        folder, *options, "--prefix", PREFIX, "--https", "--host", "lab.example.org", **more
    ) as (base, log):
        proxy = Proxy(urlsplit(base).port)
        try:
            yield proxy, base, log
        finally:
            proxy.close()


class Provider:
    """Says of everybody who asks that it is ``person``."""

    def __init__(self):
        self.person, self.asked = "ada@lab.example.org", []
        ready = threading.Event()

        def serve():
            asyncio.set_event_loop(asyncio.new_event_loop())
            told = {"provider": self}
            routes = [("/authorize", _Ask, told), ("/token", _Token, told), ("/user", _User, told)]
            server = Application(routes).listen(0, "127.0.0.1")
            self.port = next(iter(server._sockets.values())).getsockname()[1]
            self._loop = IOLoop.current()
            ready.set()
            self._loop.start()
            server.stop()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def close(self) -> None:
        self._loop.add_callback(self._loop.stop)
        self._thread.join(30)


class _Part(RequestHandler):
    def initialize(self, provider):
        self.provider = provider


class _Ask(_Part):
    def get(self):
        back, state = self.get_argument("redirect_uri"), self.get_argument("state")
        self.provider.asked.append(back)
        self.redirect(f"{back}?code=abc&state={state}")


class _Token(_Part):
    def post(self):
        parts = {"alg": "none"}, {"email": self.provider.person, "exp": time.time() + 3600}
        token = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in parts
        )
        self.write({"access_token": "tok", "id_token": f"{token}.x", "token_type": "bearer"})


class _User(_Part):
    def get(self):
        self.write({"email": self.provider.person})


@pytest.fixture(scope="module")
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture(scope="module")
def lab(provider, tmp_path_factory):
    where = f"http://127.0.0.1:{provider.port}"
    told = {
        "PANEL_OAUTH_PROVIDER": "generic",
        "PANEL_OAUTH_KEY": "key",
        "PANEL_OAUTH_SECRET": "secret",
        "PANEL_OAUTH_AUTHORIZE_URL": f"{where}/authorize",
        "PANEL_OAUTH_TOKEN_URL": f"{where}/token",
        "PANEL_OAUTH_USER_URL": f"{where}/user",
    }
    if ENCRYPTS:
        told["PANEL_OAUTH_ENCRYPTION"] = base64.urlsafe_b64encode(bytes(32)).decode()
    folder = tmp_path_factory.mktemp("oauth")
    rules = '[oauth]\npeople = ["*@lab.example.org", "bob"]\n'
    with behind(folder, "--login", "oauth", rules=rules, env=told) as server:
        yield server


def test_the_labs_people_come_in_and_others_with_an_account_do_not(provider, lab):
    proxy, _, log = lab
    ada = Outside(proxy)
    status, _, text, ended = ada.ask(f"{PREFIX}/app")
    assert status == 200 and ended == f"{PUBLIC}{PREFIX}/app" and "BrainLens" in text
    assert provider.asked[-1] == f"{PUBLIC}{PREFIX}/login"  # what is registered with the provider
    assert {one.name for one in ada.jar if one.has_nonstandard_attr("HttpOnly")} >= {"user"}
    assert all(one.secure for one in ada.jar) and "127.0.0.1" not in text
    tokens = [base64.urlsafe_b64decode(one.value.strip('"').split("|")[4].split(":")[1] + "==")
              for one in ada.jar if one.name in ("access_token", "id_token")]  # fmt: skip
    plain = any(one == b"tok" or b"." in one for one in tokens)
    assert tokens and plain != ENCRYPTS

    provider.person = "eve@elsewhere.org"
    try:
        eve = Outside(proxy)
        assert eve.ask(f"{PREFIX}/app")[0] == 403
        assert eve.ask(f"{PREFIX}/app")[0] == 403  # with the cookie that she has now
    finally:
        provider.person = "ada@lab.example.org"
    assert "'eve@elsewhere.org' is none of the server's people" in log.read_text()
    forged = Outside(proxy)
    state = base64.urlsafe_b64encode(json.dumps({"state_id": "x", "next_url": "/"}).encode())
    answer = forged.ask(f"{PREFIX}/login?code=abc&state={state.decode()}")
    assert answer[0] in (401, 403)  # a login that this browser did not begin


def test_the_page_lives_behind_the_proxy(lab):
    """Its websocket, its files, and what is for this machine only."""
    proxy, _, _ = lab
    ada = Outside(proxy)
    text = ada.ask(f"{PREFIX}/app")[2]
    token = re.search(r'"token"\s*:\s*"([^"]+)"', text)[1]
    near = f"http://127.0.0.1:{proxy.port}{PREFIX}"
    assert connect(near, token, cookie=ada.cookie, origin=PUBLIC) == "open"
    assert connect(near, token, cookie=ada.cookie, origin="https://evil.example") == "403"
    script = re.search(r'src="([^"]*static[^"]*\.js[^"]*)"', text)[1]
    assert ada.ask(urlsplit(urljoin(f"{PUBLIC}{PREFIX}/app", script)).path)[0] == 200
    assert ada.ask(f"{PREFIX}/health")[0] == 200 and ada.ask(f"{PREFIX}/metrics")[0] == 403


def test_passwords_open_a_server_behind_a_prefix(tmp_path):
    with behind(tmp_path, "--login", "password") as (proxy, _, log):
        ada = Outside(proxy)
        status, _, text, ended = ada.ask(f"{PREFIX}/app")
        assert status == 200 and urlsplit(ended).path == f"{PREFIX}/login" and "<form" in text
        where = urlsplit(urljoin(ended, re.search(r'<form[^>]* action="([^"]*)"', text)[1])).path
        guesser = Outside(proxy, "10.0.0.9")
        guesses = [
            guesser.ask(where, {"username": f"carl{i}", "password": "wrong"})[0] for i in range(8)
        ]
        assert guesses[0] == 200 and guesses[-1] == 429 and "from 10.0.0.9" in log.read_text()
        told = {"username": "ada", "password": PASSWORD}  # somebody else's guesses keep nobody out
        answer = ada.ask(where, told, Origin=PUBLIC)
        assert answer[0] == 200 and urlsplit(answer[3]).path.startswith(f"{PREFIX}/")
        assert all(one.secure for one in ada.jar)
        status, _, text, ended = ada.ask(f"{PREFIX}/app")
        assert (status, urlsplit(ended).path) == (200, f"{PREFIX}/app") and "token" in text
        left = ada.ask(f"{PREFIX}/logout")
        assert left[0] == 200 and f"{PREFIX}/login" in left[2] + left[3]
        assert urlsplit(ada.ask(f"{PREFIX}/app")[3]).path == f"{PREFIX}/login"


def test_nobody_is_let_in_without_a_list(clean_home, monkeypatch):
    monkeypatch.setenv("PANEL_OAUTH_PROVIDER", "github")
    plan = Plan("0.0.0.0", login="oauth")
    with pytest.raises(BrainLensError, match=r"Everybody with an account.*people = "):
        plan.checked(Rules())
    rules = Rules(people=("Ada", "*@lab.example.org"))
    assert plan.checked(rules) is plan
    assert rules.admits("ada") and rules.admits("Bob@Lab.example.org")
    assert not rules.admits("adam") and not rules.admits("x@lab.example.org.evil.com")


def test_a_key_that_cannot_encrypt_is_said(monkeypatch):
    monkeypatch.setenv("PANEL_OAUTH_ENCRYPTION", "short")
    with pytest.raises(BrainLensError, match=r"cryptography|is no key"):
        _encrypt()
