"""What a sync goes into: the DuckDB file, or a warehouse."""
