"""How good the rankings are: numbers, sentences, tables and figures."""
