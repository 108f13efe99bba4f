"""The parts of `benchmarks/accuracy.py`: samples of both families, the engine on them, table and figures."""
