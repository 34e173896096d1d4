"""What ``brainlens app`` serves, in a checkout and from an installed wheel alike; its name is the last part of the address."""

from dashboards.page.page import open_page

open_page().servable()
