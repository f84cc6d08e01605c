"""Results as a page that a person decides from."""
