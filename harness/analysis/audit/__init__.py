"""Somebody else's table of results: which of its differences its queries can show."""
