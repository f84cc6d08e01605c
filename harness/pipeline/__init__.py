"""One stage at a time, and what is kept of it."""
