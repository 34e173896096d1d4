"""For ``brainlens app``: the same headers and the same refusals as a lab's server, by Panel's ``--plugins``."""

from __future__ import annotations

import threading

from analysis.store.leftovers import sweep_home
from dashboards.serve.hardening import harden
from dashboards.serve.outside import ROUTES
from dashboards.serve.rules import Rules

__all__ = ["ROUTES"]

harden(origins=Rules.read().origins)
threading.Thread(target=sweep_home, name="leftovers", daemon=True).start()
