"""Training of the tiny models that ship."""
