"""Surveillance: are the studies, the predictions and the outcomes still what the models were made for?

`run` makes the figures and raises alarms, in a process of its own; `nightly` has the clock start it; `view`
is what console, REST API and command line show.
"""
