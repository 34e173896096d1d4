"""Sizes of figures as journals, slides and posters ask for them, and how a preview may be seen. Imports no renderer."""

from __future__ import annotations

__all__ = ["PRESETS", "SIGHTS"]

PRESETS: dict[str, dict] = {
    "One column, 85 mm": {"width_mm": 85, "font_size": 7},
    "One and a half, 114 mm": {"width_mm": 114, "font_size": 7},
    "Two columns, 174 mm": {"width_mm": 174, "font_size": 7},
    "Nature, single 89 mm": {"width_mm": 89, "font_size": 7},
    "Nature, double 183 mm": {"width_mm": 183, "font_size": 7},
    "PNAS, single 87 mm": {"width_mm": 87, "font_size": 7},
    "PNAS, double 178 mm": {"width_mm": 178, "font_size": 7},
    "Cell, single 85 mm": {"width_mm": 85, "font_size": 7},
    "Cell, double 174 mm": {"width_mm": 174, "font_size": 7},
    "Slide 16:9": {"width_mm": 254, "height_mm": 142.9, "font_size": 14, "line_width": 1.8},
    "Poster, 600 mm": {"width_mm": 600, "font_size": 28, "line_width": 3.5},
}
"""Sizes as journals ask for them: widths of columns from their guides for authors."""
SIGHTS = ("as it is", "grey", "deuteranopia")
"""How a preview may be seen."""
