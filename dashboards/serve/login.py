"""Who comes in: by the password file, or by the header of a trusted proxy."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from panel.auth import BasicAuthProvider, BasicLoginHandler, OAuthProvider
from panel.config import config
from tornado.web import HTTPError

from dashboards.serve.passwords import Brake, check, names
from dashboards.serve.rules import Rules

__all__ = ["BRAKE", "OAuthLogin", "PasswordLogin", "ProxyLogin", "came_from"]

_LOG = logging.getLogger("brainlens.audit")
BRAKE = Brake()
LONGEST_FORM = 10_000  # bytes


def _peer(request) -> str:
    """Address of what is at the other end of the connection."""
    near = getattr(getattr(request.connection, "context", None), "address", None)
    return near[0] if isinstance(near, tuple) else request.remote_ip or ""


def came_from(request, proxies: Sequence[str]) -> str:
    """Address of the browser: what a proxy in front saw, the last of ``X-Forwarded-For``; else what is at the other end.

    Without it everybody behind a proxy has one address, and one person's wrong tries keep all others out.
    """
    near = _peer(request)
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return told[:64] if told and near in proxies else near


class _Login(BasicLoginHandler):
    """Panel's form with hashes instead of plain text, and a brake."""

    secure = False
    proxies: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Refuse what is no form of ours."""
        if self.request.method == "POST":
            origin = self.request.headers.get("Origin", "")
            if origin and origin.split("://")[-1] != self.request.host:
                self.send_error(403)  # a form on somebody else's site
            elif len(self.request.body) > LONGEST_FORM:
                self.send_error(413)

    def post(self) -> None:
        """Try a name and a password."""
        name = self.get_body_argument("username", "")[:64]
        address = came_from(self.request, self.proxies)
        if (left := BRAKE.wait(f"name:{name}", f"from:{address}")) > 0:
            self.set_status(429)
            self.set_header("Retry-After", str(int(left) + 1))
            self.write(f"Too many tries. Wait {int(left) + 1} seconds.")
            return
        if not check(name, self.get_body_argument("password", "")):
            BRAKE.failed(f"name:{name}", f"from:{address}")
            _LOG.warning("login refused: %r from %s", name, address)
            self.redirect(f"{self.request.path}?error=Wrong+name+or+password")
            return
        BRAKE.passed(f"name:{name}")
        _LOG.info("login: %s from %s", name, address)
        self.set_current_user(name)
        from panel.auth import _validate_next_url
        from panel.io.state import state

        self.redirect(
            _validate_next_url(self.get_cookie("next_url", state.base_url)) or state.base_url
        )

    def set_current_user(self, user) -> None:
        """A new cookie with every login; whatever the browser brought is replaced."""
        for name in ("user", "id_token", "is_guest"):
            self.clear_cookie(name, path=config.cookie_path)
        if not user:
            return
        told = {
            "httponly": True,
            "secure": self.secure,
            "samesite": "Lax",
            "path": config.cookie_path,
        }
        self.set_secure_cookie("user", user, expires_days=config.oauth_expiry, **told)
        self.set_secure_cookie(
            "id_token", json.dumps({"user": user}), expires_days=config.oauth_expiry, **told
        )


class _Prefixed(BasicAuthProvider):
    """Behind a prefix: Bokeh puts it before every address, Panel's page of those who left knows nothing of it."""

    def __init__(self, *, prefix: str = "", **more):
        self._prefix = prefix
        super().__init__(**more)

    @property
    def logout_handler(self):
        """Its page leads back to the form."""
        handler = super().logout_handler
        handler._login_endpoint = f"{self._prefix}{self._login_endpoint}"
        return handler


class PasswordLogin(_Prefixed):
    """Names and scrypt hashes of the password file; somebody removed from it is out at once."""

    def __init__(self, *, secure: bool, proxies: tuple[str, ...] = (), **more):
        self._secure, self._proxies = secure, proxies
        super().__init__(**more)

    @property
    def get_user(self):
        """Who asks, by the cookie, and still in the file."""
        plain = super().get_user

        def get_user(handler):
            user = plain(handler)
            return user if user in names() else None

        return get_user

    @property
    def login_handler(self):
        """The form."""
        _Login._login_endpoint, _Login._login_template = self._login_endpoint, self._login_template
        _Login.secure, _Login.proxies = self._secure, self._proxies
        return _Login


class OAuthLogin(_Prefixed, OAuthProvider):
    """Panel's OAuth, for the people of the server's file: a provider knows many more."""

    def __init__(self, rules: Rules, **more):
        self._rules = rules
        super().__init__(**more)

    @property
    def get_user_async(self):
        """Who asks, where it is one of this server's people."""
        provider = super().get_user_async

        async def get_user(handler):
            user = await provider(handler)
            if user is not None and not self._rules.admits(user):
                _LOG.warning("login refused: %r is none of the server's people", user)
                raise HTTPError(403, reason="This account is none of the people of this server")
            return user

        return get_user


class ProxyLogin(BasicAuthProvider):
    """A proxy in front knows who it is and says so in a header (JupyterHub, Open OnDemand, Shibboleth)."""

    def __init__(self, header: str, proxies: tuple[str, ...], **more):
        self._header, self._proxies = header, proxies
        super().__init__(**more)

    @property
    def get_user(self):
        """Who asks, where the proxy says it and is the proxy."""

        def get_user(handler):
            request = handler.request
            told = request.headers.get_list(self._header)
            return (
                told[0][:64]
                if _peer(request) in self._proxies and len(told) == 1 and told[0].strip()
                else None
            )

        return get_user

    @property
    def login_url(self):
        """There is no form: whoever does not come through the proxy stays outside."""
        return None

    @property
    def get_login_url(self):
        """Somebody without the header."""

        def refused(_):
            raise HTTPError(403)

        return refused

    @property
    def login_handler(self):
        """None."""
        return None

    @property
    def logout_url(self):
        """The proxy's."""
        return None

    @property
    def logout_handler(self):
        """None."""
        return None
