"""Second stages: scores for given candidates."""
