"""The radiomics line of a published MRI study (Wang WB et al., Radiol Practice 2026;41:453), on forearm DXA.

Features that two "observers" and two scans agree on, tests, LASSO, a Radscore, logistic models with clinical
factors, odds ratios and a nomogram. Needs the ``training`` extra.
"""
