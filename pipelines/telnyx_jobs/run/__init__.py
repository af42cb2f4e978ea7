"""One sync, from the lock to the published file."""
