"""Reading and writing that leaves whole files: formats, locks and digests."""
