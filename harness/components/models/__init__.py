"""Models by their references: found, made or fetched, and run."""
