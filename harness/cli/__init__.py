"""The command line: what is printed, and the codes by which commands end."""
