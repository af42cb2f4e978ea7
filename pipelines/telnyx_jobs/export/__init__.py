"""The published tables for other engines: files in a folder or in a bucket."""
