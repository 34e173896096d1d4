"""What is read: passages, and where their words and tokens lie."""
