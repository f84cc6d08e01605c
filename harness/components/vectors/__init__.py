"""Vectors in memory and on disk: compressed, indexed and compared."""
