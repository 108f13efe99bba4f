"""Parts of the benchmark of explanations."""
