"""Stored results against those that were accepted."""
