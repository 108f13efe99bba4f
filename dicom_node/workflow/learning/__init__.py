"""Learning from the site's own outcomes: cohort, run, and the job that starts runs by itself.

The running node only starts runs (`job`), as processes of their own; all else is loaded there.
"""
