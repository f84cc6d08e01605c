"""How many requests a server answers, and how long they take when several are under way."""
