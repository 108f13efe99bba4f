"""What `benchmarks/receive.py` is put together from."""
