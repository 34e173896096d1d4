"""A lab's server behind an OAuth provider (a small one of our own) and behind a prefix: its people come in, nobody else."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import time
from urllib.parse import urljoin, urlsplit

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler

from dashboards.serve.rules import Rules
from dashboards.serve.run import Plan, _encrypt
from data.errors import BrainLensError
from tests.dashboards.test_serve import PASSWORD, Browser, serving

PREFIX = "/lab"


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
    folder = tmp_path_factory.mktemp("oauth")
    rules = '[oauth]\npeople = ["*@lab.example.org", "bob"]\n'
    with serving(folder, "--login", "oauth", "--prefix", PREFIX, rules=rules, env=told) as server:
        yield server


def test_the_labs_people_come_in_and_others_with_an_account_do_not(provider, lab):
    base, log = lab
    ada = Browser(base)
    status, _, text, ended = ada.ask(f"{PREFIX}/app")
    assert status == 200 and ended == f"{base}{PREFIX}/app" and "BrainLens" in text
    assert provider.asked[-1] == f"{base}{PREFIX}/login"  # what is registered with the provider
    assert {one.name for one in ada.jar if one.has_nonstandard_attr("HttpOnly")} >= {"user"}

    provider.person = "eve@elsewhere.org"
    try:
        eve = Browser(base)
        assert eve.ask(f"{PREFIX}/app")[0] == 403
        assert eve.ask(f"{PREFIX}/app")[0] == 403  # with the cookie that she has now
    finally:
        provider.person = "ada@lab.example.org"
    assert "'eve@elsewhere.org' is none of the server's people" in log.read_text()
    forged = Browser(base)
    state = base64.urlsafe_b64encode(json.dumps({"state_id": "x", "next_url": "/"}).encode())
    answer = forged.ask(f"{PREFIX}/login?code=abc&state={state.decode()}")
    assert answer[0] in (401, 403)  # a login that this browser did not begin


def test_passwords_open_a_server_behind_a_prefix(tmp_path):
    with serving(tmp_path, "--login", "password", "--prefix", PREFIX) as (base, _):
        ada = Browser(base)
        status, _, text, ended = ada.ask(f"{PREFIX}/app")
        assert status == 200 and urlsplit(ended).path == f"{PREFIX}/login" and "<form" in text
        where = urlsplit(urljoin(ended, re.search(r'<form[^>]* action="([^"]*)"', text)[1]))
        answer = ada.ask(where.path, {"username": "ada", "password": PASSWORD})
        assert answer[0] == 200 and urlsplit(answer[3]).path.startswith(f"{PREFIX}/")
        status, _, text, ended = ada.ask(f"{PREFIX}/app")
        assert (status, urlsplit(ended).path) == (200, f"{PREFIX}/app") and "token" in text
        assert ada.ask(f"{PREFIX}/health")[0] == 200
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
