"""Intervals, tests, percentiles and ratios: numbers in, numbers out."""
