"""The deep line: a picture's encoder fused with tabular predictors.

Training needs the ``training`` extra; `prediction` alone does with what the node has.
"""
