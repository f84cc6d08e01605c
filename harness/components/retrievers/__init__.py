"""First stages: from all documents to candidates."""
