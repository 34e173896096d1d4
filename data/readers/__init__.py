"""Published files become recordings."""
