"""Pure reading of stored results: tables in, tables out."""
