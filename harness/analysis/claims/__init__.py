"""Claims of others, judged from stored results."""
