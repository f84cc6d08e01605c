"""Databases that keep vectors, and how they are asked."""
