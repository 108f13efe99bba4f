"""Recommendations from a site's rule table, each with the guideline it comes from."""

from analysis.advice.recommend import Advice, recommend

__all__ = ["Advice", "recommend"]
