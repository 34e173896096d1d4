"""Experiments to run next: sentences that drive a response, items that tell models apart, and how many people it takes."""
