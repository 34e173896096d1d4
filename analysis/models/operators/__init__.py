"""Small networks written in a language of operators: unusual gates, found by search."""
