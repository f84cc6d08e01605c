"""What the systems of an experiment cost: numbers, sentences, tables and figures."""
