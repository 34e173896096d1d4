"""A user's own file becomes a recording."""
