"""Hypothesis draws the same examples at each run: a red test is a change, not bad luck."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
