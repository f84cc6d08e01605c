"""How many bytes and seconds it takes to store the vectors of token encoders."""
