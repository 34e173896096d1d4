"""``brainlens serve``: the page for a lab, with a way to log in, rules, and an end to idle sessions."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dashboards.serve.hardening import end_idle, harden
from dashboards.serve.login import OAuthLogin, PasswordLogin, ProxyLogin
from dashboards.serve.outside import ROUTES, Metrics
from dashboards.serve.passwords import names
from dashboards.serve.rules import Rules, rules_file
from dashboards.work.jobs import RUNNER
from dashboards.work.processes import Workers
from data.errors import BrainLensError
from data.files import atomic
from data.home import ask_person, home, mirror
from data.rights import ruled_by

__all__ = ["LOGINS", "Plan", "start"]

LOGINS = ("password", "proxy", "oauth")
LOCAL = ("localhost", "127.0.0.1", "::1")
APP = Path(__file__).resolve().parents[2] / "app.py"
_LOG = logging.getLogger("brainlens.audit")


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line.

    Parameters
    ----------
    address, port, prefix
        Where it listens.
    hosts : tuple of str
        Names under which browsers reach it, with port where it is not that of the scheme.
    login : str
        One of :data:`LOGINS`, or empty.
    open : bool
        Nobody logs in although others can reach it.
    https : bool
        A proxy in front speaks HTTPS: cookies travel there only.
    """

    address: str = "localhost"
    port: int = 5006
    prefix: str = ""
    hosts: tuple[str, ...] = ()
    login: str = ""
    open: bool = False
    https: bool = False

    @property
    def beyond(self) -> bool:
        """Whether others than this machine's users can reach it."""
        return self.address not in LOCAL

    def checked(self, rules: Rules) -> Plan:
        """Itself, where it may be started.

        Raises
        ------
        BrainLensError
            Others can reach it and nobody would have to log in; a way to log in that lacks something.
        """
        if self.login and self.login not in LOGINS:
            raise BrainLensError(f"There is no way to log in called {self.login!r}", choices=LOGINS)
        if self.login and self.open:
            raise BrainLensError(
                "--open and --login say opposite things", remedy="Give one of them"
            )
        if self.beyond and not self.login and not self.open:
            raise BrainLensError(
                f"At {self.address} everybody in the network would reach your recordings and processors without logging in",
                choices=[f"--login {one}" for one in LOGINS],
                remedy="Choose a way to log in ('brainlens users add NAME' for passwords), or say --open if that is meant",
            )
        if self.login == "password" and not names():
            raise BrainLensError(
                "Nobody has a password yet", remedy="Run 'brainlens users add NAME' first"
            )
        if self.login == "proxy" and not rules.header:
            raise BrainLensError(
                "The proxy's header is not named",
                remedy=f'Write [proxy] and header = "X-Forwarded-User" into {rules_file()}',
            )
        if self.login == "oauth" and not os.environ.get("PANEL_OAUTH_PROVIDER"):
            raise BrainLensError(
                "No OAuth provider is named",
                remedy="Set PANEL_OAUTH_PROVIDER, PANEL_OAUTH_KEY, PANEL_OAUTH_SECRET and PANEL_OAUTH_ENCRYPTION",
            )
        if self.login == "oauth" and not rules.people:
            raise BrainLensError(
                "Everybody with an account at the OAuth provider would be let in",
                remedy=f'Write [oauth] and people = ["ada@example.org", "*@lab.example.org"] into {rules_file()}; '
                'people = ["*"] lets in everybody',
            )
        return self

    def warning(self) -> str:
        """What --open means; empty where it was not said."""
        if not (self.open and self.beyond):
            return ""
        return (
            f"Open: everybody who reaches {self.address}:{self.port} sees and changes everything in {home()}, computes "
            "on this machine and may fill its disk. Behind a firewall that is a choice; on the internet it is not."
        )


def _secret() -> str:
    """The key that signs cookies and sessions, the same after a restart."""
    path = home("server") / "secret"
    try:
        told = path.read_text(encoding="utf-8").strip()
        if len(told) >= 32:
            return told
    except OSError:
        pass
    made = secrets.token_urlsafe(48)
    with atomic(path) as part:
        part.touch(mode=0o600)
        part.write_text(made, encoding="utf-8")
    return made


def _encrypt() -> None:
    """The provider's tokens in a cookie are encrypted, where a key is given.

    Raises
    ------
    BrainLensError
        A key without the package that encrypts, or one that is none.
    """
    from panel.config import config
    from panel.io.state import state

    if not config.oauth_encryption_key:
        return
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise BrainLensError(
            "PANEL_OAUTH_ENCRYPTION is set, and the package cryptography that would encrypt is not installed",
            remedy="Run 'pip install cryptography', or unset PANEL_OAUTH_ENCRYPTION",
        ) from None
    try:
        state.encryption = Fernet(config.oauth_encryption_key)
    except ValueError as error:
        raise BrainLensError(
            f"PANEL_OAUTH_ENCRYPTION is no key: {error}",
            remedy="Make one with 'panel oauth-secret'",
        ) from None


def _who(rules: Rules, login: str):
    """Asks the session in front for its person."""

    def who() -> str:
        import panel as pn

        if pn.state.curdoc is None or pn.state.curdoc.session_context is None:
            return ""
        if login == "proxy":
            told = {name.lower(): value for name, value in (pn.state.headers or {}).items()}
            return str(told.get(rules.header.lower(), ""))[:64]
        return str(pn.state.user or "")

    return who


def _provider(plan: Plan, rules: Rules):
    from bokeh.server.auth_provider import NullAuth

    if plan.login == "password":
        page = str(Path(__file__).with_name("login.html"))
        return PasswordLogin(
            secure=plan.https,
            proxies=rules.proxies,
            prefix=plan.prefix,
            login_template=page,
        )
    if plan.login == "proxy":
        return ProxyLogin(rules.header, rules.proxies)
    return OAuthLogin(rules, prefix=plan.prefix) if plan.login == "oauth" else NullAuth()


def start(plan: Plan) -> None:
    """Serve until stopped."""
    rules = Rules.read()
    plan = plan.checked(rules)
    home(), mirror()
    os.environ["BRAINLENS_ADDRESS"] = plan.address
    if plan.login:
        os.environ["BRAINLENS_SERVED"] = "1"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for noisy in ("tornado.access", "bokeh", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    from panel.config import config
    from panel.io.server import get_server
    from tornado.ioloop import PeriodicCallback

    if plan.login:
        ask_person(_who(rules, plan.login))
        ruled_by(rules)
        config.cookie_secret = _secret()
        config.oauth_expiry = 1.0
        if plan.login == "oauth":
            config.oauth_provider = os.environ["PANEL_OAUTH_PROVIDER"]
            _encrypt()
    hosts = plan.hosts or tuple(
        f"{name}:{plan.port}" for name in dict.fromkeys((*LOCAL[:2], plan.address))
    )
    if plan.login == "oauth" and not config.oauth_redirect_uri:
        scheme = "https" if plan.https else "http"
        config.oauth_redirect_uri = f"{scheme}://{hosts[0]}{plan.prefix}/login"
    named = frozenset(
        host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host for host in hosts
    )
    harden(
        origins=rules.origins,
        hosts=named | {"localhost", "127.0.0.1"},
        header=rules.header if plan.login == "proxy" else "",
        https=plan.https,
    )
    RUNNER.equip(
        Workers(
            memory=rules.job_bytes,
            seconds=60 * rules.job_minutes,
            before=partial(ruled_by, rules) if plan.login else None,
        ),
        rules.jobs,
    )
    RUNNER.tell(
        lambda job: _LOG.info(
            "%s: %s %s after %.1f s", job.person or "-", job.title, job.state, job.seconds
        )
    )
    server = get_server(
        {"app": str(APP)},
        port=plan.port,
        address=plan.address,
        websocket_origin=list(hosts),
        prefix=plan.prefix,
        auth_provider=_provider(plan, rules),
        extra_patterns=[*ROUTES, ("/metrics", Metrics, {"allowed": rules.metrics})],
        cookie_secret=config.cookie_secret or None,
        sign_sessions=True,
        secret_key=_secret(),
        session_token_expiration=300,
        websocket_max_message_size=int(rules.message_megabytes * 10**6),
        keep_alive_milliseconds=20_000,
        unused_session_lifetime_milliseconds=30_000,
        check_unused_sessions_milliseconds=10_000,
    )
    PeriodicCallback(lambda: end_idle(rules.idle_minutes), 30_000).start()
    server.start()
    server.io_loop.start()
