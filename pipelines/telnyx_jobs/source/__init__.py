"""The dlt source: what to ask the API for, what changed, and its rows as Arrow tables."""
