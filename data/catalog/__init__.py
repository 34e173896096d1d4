"""What there is and how to get it."""
