"""Plots as geometry that templates draw in SVG: no script, no style of their own."""
