"""Parts of `benchmarks/deployment.py`."""
