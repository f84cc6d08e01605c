"""Pure reading of stored results, a folder a feature: numbers, sentences, tables, figures."""
