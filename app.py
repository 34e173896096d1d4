"""The page: ``panel serve app.py``, then http://localhost:5006/app. Everything is in ``dashboards.page.page``."""

from dashboards.page.page import open_page

open_page().servable()
