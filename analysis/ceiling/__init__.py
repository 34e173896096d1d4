"""How high a score could be."""
