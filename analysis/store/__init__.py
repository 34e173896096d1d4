"""What is kept, by content."""
