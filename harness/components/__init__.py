"""All that `use:` can name, and what it stands on."""
