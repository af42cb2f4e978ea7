"""bqemulator's server: `python bqemulator_server.py REST_PORT GRPC_PORT`, in its environment.

It asks for an extension of DuckDB by name, and would fetch it: PyPI's is put in its home first.
"""

import os
import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial

held = Path(duckdb_extension_spatial.__file__).parent / "extensions" / f"v{duckdb.__version__}"
for platform in ("linux_amd64", "linux_arm64", "osx_arm64"):
    there = Path.home() / ".duckdb" / "extensions" / held.name / platform
    there.mkdir(parents=True)
    (there / "spatial.duckdb_extension").symlink_to(held / "spatial.duckdb_extension")
ports = ["--rest-port", sys.argv[1], "--grpc-port", sys.argv[2]]
os.execv(sys.executable, [sys.executable, "-m", "bqemulator", "start", *ports])
