"""Training of the risk models on a simulated cohort that the engine itself has measured."""
