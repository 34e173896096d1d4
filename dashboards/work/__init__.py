"""What runs off the event loop: jobs, their queue, their cards."""
