"""Where time goes inside a call: clocks, and what servers were asked."""
