"""How a page or a terminal shows text, numbers, tables and drawings."""
