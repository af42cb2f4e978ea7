"""The SQL files: found, ordered, tested, and translated to other dialects."""
