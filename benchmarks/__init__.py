"""Benchmarks: what the project promises about time and space, measured on the machine at hand. `python -m benchmarks --list`."""
