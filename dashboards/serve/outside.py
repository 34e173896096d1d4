"""What the outside may ask without a page: is it well, and how much does it do."""

from __future__ import annotations

import json
import shutil
import time

from tornado.web import RequestHandler

from dashboards.serve.hardening import SOCKETS
from dashboards.serve.written import ROUTE
from dashboards.work.jobs import RUNNER
from data.home import home

__all__ = ["ROUTES", "Health", "Metrics", "health"]

_BEGAN = time.time()


def health() -> dict[str, object]:
    """Whether the server can do its work: its folder can be written to, and there is room."""
    told: dict[str, object] = {"status": "ok", "seconds": round(time.time() - _BEGAN)}
    try:
        probe = home("server") / ".probe"
        probe.write_bytes(b"1")
        probe.unlink()
        told["free_bytes"] = shutil.disk_usage(home()).free
    except (OSError, ValueError) as error:
        told |= {"status": "its folder cannot be written to", "error": type(error).__name__}
    return told


class Health(RequestHandler):
    """``/health``: 200 and ``{"status": "ok"}``, else 503; says nothing about anybody."""

    def get(self) -> None:
        """Answer."""
        told = health()
        self.set_status(200 if told["status"] == "ok" else 503)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.write(json.dumps(told))


class Metrics(RequestHandler):
    """``/metrics`` in Prometheus' words, for the addresses that may read it."""

    def initialize(self, allowed: tuple[str, ...] = ("127.0.0.1", "::1")) -> None:
        """Take the addresses."""
        self._allowed = allowed

    def get(self) -> None:
        """Answer."""
        if self.request.remote_ip not in self._allowed or "X-Forwarded-For" in self.request.headers:
            self.send_error(403)
            return
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
        except ImportError:
            self.set_status(501)
            self.write("prometheus_client is not installed: pip install 'brainlens[serve]'")
            return
        _gauges()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest())


_MADE: dict[str, object] = {}


def _gauges() -> None:
    """Set what is counted now."""
    from prometheus_client import Gauge

    jobs = RUNNER.jobs()
    now = {
        "brainlens_sockets": ("Open websockets", len(SOCKETS)),
        "brainlens_jobs_active": ("Jobs that wait or run", sum(job.active for job in jobs)),
        "brainlens_jobs_failed": (
            "Failed jobs among the last ones",
            sum(job.state == "failed" for job in jobs),
        ),
        "brainlens_free_bytes": ("Free bytes of the disk", shutil.disk_usage(home()).free),
        "brainlens_up_seconds": ("Seconds since the start", time.time() - _BEGAN),
    }
    for name, (words, value) in now.items():
        if name not in _MADE:
            _MADE[name] = Gauge(name, words)
        _MADE[name].set(value)


ROUTES = [("/health", Health, {}), ROUTE]
"""For ``brainlens app``."""
