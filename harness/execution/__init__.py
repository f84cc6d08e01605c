"""Goes through a plan."""
