"""What to do, and why: the rule, its reasons, and what would change it."""
