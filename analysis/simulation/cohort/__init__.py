"""A simulated cohort: people, predictors, fractures and their oracle, from published numbers.

Every number stands in ``parameters.toml`` with its source, or as an assumption. Risks learnt from this cohort
describe the simulator: simulated training data, research use only.
"""
