"""The reranker of a system over HTTP: what a team would put behind its own search."""
