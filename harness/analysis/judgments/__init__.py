"""What judgments of some of the pool say of all of it."""
