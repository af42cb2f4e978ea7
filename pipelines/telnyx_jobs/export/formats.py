"""The format of an export: Parquet to a folder by default, Delta Lake always to a bucket."""

import re
from pathlib import Path
from typing import Literal

from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.export.s3 import Address
from telnyx_jobs.export.tables import Exported
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.run.exports import note_export
from telnyx_jobs.settings import Settings

Format = Literal["parquet", "delta"]
_PLAIN = re.compile(r"[A-Za-z0-9._=/:@+,-]*")
"""Addresses that every reader of Delta Lake opens: readers disagree on how to write the others."""


class Export:
    """An export to an address. Raises ValueError if the address or its format cannot be used."""

    def __init__(self, to: str, format_: Format | None) -> None:
        self._place = Address.of(to) if "://" in to else Path(to).absolute()
        is_bucket = isinstance(self._place, Address)
        self._format = format_ or ("delta" if is_bucket else "parquet")
        if is_bucket and self._format == "parquet":
            raise ValueError("a bucket takes --format delta; Parquet goes to a folder")
        if self._format == "delta" and not _PLAIN.fullmatch(str(self._place)):
            raise ValueError(
                "readers of Delta Lake open only addresses of letters, digits and . _ - = / : @ + ,"
            )

    def write(self, database: Path, export_id: str, report: Report = nothing) -> Exported:
        """Write the published file out. Raises BadConfiguration, TryAgainLater, CannotWrite."""
        exported = self._written(database, export_id, report)
        note_export(destination_for(Settings(database)), str(self._place), self._format, report)
        return exported

    def _written(self, database: Path, export_id: str, report: Report) -> Exported:
        if self._format == "delta":
            from telnyx_jobs.export.delta import export as to_delta

            return to_delta(database, self._place, export_id, report)
        from telnyx_jobs.export.folder import export as to_parquet

        assert isinstance(self._place, Path)
        return to_parquet(database, self._place, export_id, report)
