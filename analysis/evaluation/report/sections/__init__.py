"""The parts of the report: what is at stake, how models perform, for whom, and what to make of it."""
