"""Figures: one description, drawn on the screen and for print."""
