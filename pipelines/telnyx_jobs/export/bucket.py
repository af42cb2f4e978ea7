"""An export handed over to a bucket, which knows no rename: uploaded whole, then pointed at.

    PREFIX/export.json             the pointer: which export is the newest, and where it lies
    PREFIX/exports/<export id>/…   that export and the one before it, each as a folder would be

A reader reads the pointer, then the files below its `location`: of one export, always. The pointer
is replaced last, by one request. Of older exports the one that it named until then is kept for who
still reads it, and the one before that is deleted. Whatever else lies there is of a killed export
or of one at work, and is deleted when nothing was added to it for a day. An export to which
nothing was added for half a day gives up, so no pointer ever names what another export deleted.
"""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

import duckdb

from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.export.s3 import Address, connect, told, waited_for, why
from telnyx_jobs.export.staging import delete_leftovers, part_beside
from telnyx_jobs.export.tables import MANIFEST, Exported, reason, refuse_missing, write
from telnyx_jobs.progress import Report, nothing

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

_EXPORTS = "exports"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_LARGEST_POINTER = 1_000_000
_POINTER_BYTES = 4096
"""How long every pointer is, with spaces at its end: many readers ask for an object's length, and
then for so many bytes, and it may be replaced in between. What it says takes some 1,500."""
_ABANDONED = timedelta(days=1)
_GIVES_UP_SECONDS = 43_200.0
_UPLOADS = 8
_CHUNK = 1024 * 1024


def location(address: Address, export_id: str) -> str:
    """Where the files of an export lie, as s3://…"""
    return f"{address}/{_EXPORTS}/{export_id}"


def export(database: Path, address: Address, export_id: str, report: Report = nothing) -> Exported:
    """Write the published file out to the address, and have its pointer name what was written.

    Raises BadConfiguration when the file is missing or something other than exports lies at the
    address, and CannotWrite; the pointer and what it names are untouched then.
    """
    refuse_missing(database)
    with told(address):
        place = waited_for(_Place, address, export_id)
        if waited_for(place.pointer) is None:
            waited_for(place.refuse_other_content)
    try:
        delete_leftovers(database)
        with part_beside(database, export_id) as part:
            exported = write(database, part, export_id, report)
            with told(address):
                waited_for(place.upload, part, report)
                replaced = waited_for(place.point, exported)
    except (OSError, duckdb.IOException) as error:
        raise CannotWrite(
            f"{database.parent} cannot be written ({reason(error)}): make room, or give another "
            "--database"
        ) from None
    try:
        waited_for(place.delete_older, replaced)
    except OSError as error:
        report("warning", message=f"older exports are still at {address} ({why(error)})")
    return exported


class _Place:
    """What lies at an address. Methods raise pyarrow's OSError, besides what they tell."""

    def __init__(self, address: Address, export_id: str) -> None:
        self._address = address
        self._export_id = export_id
        self._files = connect(address)
        self._pointer = f"{address.path}/{MANIFEST}"
        self._exports = f"{address.path}/{_EXPORTS}"
        self._added_at = 0.0

    def pointer(self) -> dict[str, Any] | None:
        """What the pointer holds, None where there is none. Raises BadConfiguration."""
        info = self._files.get_file_info(self._pointer)
        if not info.is_file:
            return None
        try:
            with self._files.open_input_stream(self._pointer) as stream:
                held = json.loads(stream.read(_LARGEST_POINTER))
            replaced = held["replaced"]
            if _ID.fullmatch(held["export_id"]) and (replaced is None or _ID.fullmatch(replaced)):
                return dict(held)
        except (ValueError, KeyError, TypeError):
            pass
        raise self._refusal()

    def refuse_other_content(self) -> None:
        """Raises BadConfiguration when anything lies there that no export has left."""
        for info in self._listed(self._address.path):
            if info.base_name != _EXPORTS or info.is_file:
                raise self._refusal()
        for info in self._listed(self._exports):
            if not _ID.fullmatch(info.base_name):
                raise self._refusal()

    def upload(self, part: Path, report: Report) -> None:
        """Put the export's files there, several at a time. Raises CannotWrite."""
        sizes = {
            str(path.relative_to(part)): path.stat().st_size
            for path in part.rglob("*")
            if path.is_file()
        }
        self._added_at = time.time()
        pool = ThreadPoolExecutor(_UPLOADS)
        try:
            begun = [pool.submit(self._put, part / name, name) for name in sizes]
            for done, put in enumerate(as_completed(begun), start=1):
                begun_at = put.result()
                self._give_up_when_late()
                self._added_at = max(self._added_at, begun_at)
                report("upload", done=done, total=len(sizes))
        finally:
            # after a failure no further file is begun
            pool.shutdown(cancel_futures=True)
        own = f"{self._exports}/{self._export_id}"
        there = {i.path: i.size for i in self._listed(own, recursive=True) if i.is_file}
        if there != {f"{own}/{name}": size for name, size in sizes.items()}:
            raise CannotWrite(
                f"{self._address} did not keep the files as they were sent: export again, to a "
                "store older than 2025 with AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
            )

    def point(self, exported: Exported) -> dict[str, Any] | None:
        """Have the pointer name the export; gives what it held before. Raises CannotWrite."""
        before = self.pointer()
        held = exported.as_json() | {
            "location": location(self._address, self._export_id),
            "replaced": before and before["export_id"],
        }
        text = json.dumps(held).ljust(_POINTER_BYTES) + "\n"
        self._give_up_when_late()
        with self._files.open_output_stream(
            self._pointer, metadata={"Content-Type": "application/json"}
        ) as stream:
            stream.write(text.encode())
        return before

    def delete_older(self, before: dict[str, Any] | None) -> None:
        """Delete what the pointer named before the last time, and what nothing was added to.

        Times are those of the bucket's side alone.
        """
        kept = {self._export_id, before and before["export_id"]}
        abandoned_before = self._files.get_file_info(self._pointer).mtime - _ABANDONED
        for info in self._listed(self._exports):
            name = info.base_name
            if name in kept or not _ID.fullmatch(name):
                continue
            added = [i.mtime for i in self._listed(info.path, recursive=True) if i.is_file]
            is_abandoned = bool(added) and max(added) < abandoned_before
            if is_abandoned or (before and name == before["replaced"]):
                # another export may delete it too; pyarrow puts an empty object exports/ there
                with suppress(FileNotFoundError):
                    self._files.delete_dir(info.path)

    def _put(self, path: Path, name: str) -> float:
        """Upload a file; gives when that began, the time S3 has for one of several parts."""
        begun_at = time.time()
        target = f"{self._exports}/{self._export_id}/{name}"
        with path.open("rb") as source, self._files.open_output_stream(target) as stream:
            copyfileobj(source, stream, _CHUNK)
        return begun_at

    def _listed(self, path: str, *, recursive: bool = False) -> "list[FileInfo]":
        from pyarrow.fs import FileSelector

        selector = FileSelector(path, allow_not_found=True, recursive=recursive)
        return list(self._files.get_file_info(selector))

    def _give_up_when_late(self) -> None:
        if time.time() - self._added_at > _GIVES_UP_SECONDS:
            raise CannotWrite(
                f"the upload to {self._address} stood still for half a day: export again"
            )

    def _refusal(self) -> BadConfiguration:
        return BadConfiguration(
            f"{self._address} holds something other than exports: give another --to"
        )
