"""Where Delta Lake tables go, as deltalake and as pyarrow find it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from telnyx_jobs.export.s3 import Address, connect, storage_options

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class Target:
    """Where tables go: the address for Delta, and the same place as a file system."""

    uri: str
    files: "FileSystem"
    options: dict[str, str]
    folder: Path | None = None

    @classmethod
    def of_folder(cls, folder: Path) -> "Target":
        """A folder, created if missing. Raises OSError."""
        from pyarrow import fs

        folder = folder.resolve()
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
        return cls(str(folder), files, {}, folder)

    @classmethod
    def of_bucket(cls, address: Address) -> "Target":
        """A prefix of a bucket. Raises BadConfiguration, and OSError of pyarrow."""
        from pyarrow import fs

        files = fs.SubTreeFileSystem(address.path, connect(address))
        return cls(str(address), files, storage_options(address))
