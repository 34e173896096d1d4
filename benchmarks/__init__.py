"""Measurements against peers, in one run each: ``python -m benchmarks.<name>`` writes ``benchmarks/results/<name>.json``."""
