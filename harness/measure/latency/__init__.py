"""How long a query takes, what memory it takes, and how fast documents go through."""
