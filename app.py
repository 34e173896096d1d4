"""The page: ``panel serve app.py``, then http://localhost:5006/app. Everything is in ``dashboards.page``."""

from dashboards.page import open_page

open_page().servable()
