"""The Telnyx API over HTTP. Knows neither dlt nor DuckDB."""
