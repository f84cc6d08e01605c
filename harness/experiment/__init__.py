"""What YAML files say, and what will be done for it: settings, keys and the plan."""
