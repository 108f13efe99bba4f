"""A simulated site that drives the node's own loop: journal, surveillance, learning, shadow, promotion.

Patients, measurements and outcomes are simulated; everything from the journal on is the node's own.
"""
