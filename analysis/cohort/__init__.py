"""A cohort on disk: one table of subjects, simulated or a site's own, and what every tool may ask of it."""
