"""The failure report: figures from the views, as text and as a page with charts."""
