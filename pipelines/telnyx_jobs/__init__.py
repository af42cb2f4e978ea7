"""Telnyx phone-number jobs, exact in DuckDB: a dlt source, its SQL views and a command line.

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
"""

__version__ = "0.1.0"
