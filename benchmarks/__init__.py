"""Benchmarks: each a module, run as ``python -m benchmarks.NAME``."""
