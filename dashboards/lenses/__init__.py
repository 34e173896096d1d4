"""The lenses: one question per file."""
