"""Where documents, queries and judgements come from."""
