"""Parts of the soak, benchmarks/soak.py."""
