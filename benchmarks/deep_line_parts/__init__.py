"""Parts of ``deep_line.py``."""
