"""What is on disk after a run, and which tables it is read into."""
