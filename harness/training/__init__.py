"""Training of rerankers: examples, the loop, and what each kind of model learns."""
