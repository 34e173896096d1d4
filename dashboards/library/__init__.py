"""What there is: recordings, models, uploads, storage."""
