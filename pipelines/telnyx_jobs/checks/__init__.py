"""Commands that look and write nothing: preflight checks, status, verification."""
