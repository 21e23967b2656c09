"""Holds the contract to its rules: `buf lint`, and nothing of the last release broken.

`--release` writes what the next releases are compared with: run it when a version is published.
buf sits in an environment of its own below `.cache/` (made on first use).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from generate_protos import PROTOS, ROOT, includes, tools_python

BUF = "buf-bin==1.75.0"
ENVIRONMENT = ROOT / ".cache" / "buf-1.75.0"
RELEASED = PROTOS / "released.binpb"
"""The contract as last published, with what it imports, as a buf image."""
RULES = """\
version: v2
modules:
  - path: ours
    lint:
      use: [STANDARD, COMMENTS]
      # Import paths and Python packages agree, so the folder is not the proto package's.
      except: [PACKAGE_DIRECTORY_MATCH]
      # Another project's contract, whose names are not ours to choose.
      ignore: [ours/sweepnet_protos/kserve]
      # Every long piece of work is one message of google.longrunning.
      ignore_only: {RPC_REQUEST_RESPONSE_UNIQUE: [ours/sweepnet_protos/v1/trainer.proto]}
    breaking:
      use: [FILE]
  - path: others
    lint:
      ignore: [others]
"""


def buf() -> Path:
    """The program, installed if it is missing."""
    program, ready = ENVIRONMENT / "bin" / "buf", ENVIRONMENT / "ready"
    if not ready.exists():
        print(f"setting up {BUF} in {ENVIRONMENT.relative_to(ROOT)}", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", BUF], check=True)
        ready.touch()
    return program


def workspace(folder: Path) -> Path:
    """A folder as buf wants it: our protos, and those of others that they import."""
    (folder / "buf.yaml").write_text(RULES, encoding="utf-8")
    ours = shutil.ignore_patterns("*.py*", "__pycache__", "*.binpb", "py.typed")
    shutil.copytree(PROTOS, folder / "ours", ignore=ours)
    for root in includes(tools_python(), folder / "more")[1:3]:
        for source in sorted((root / "google").rglob("*.proto")):
            if source.parent.name in ("rpc", "longrunning", "api") and "_proto." not in source.name:
                target = folder / "others" / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
    return folder


def main() -> int:
    """0 when all holds, else buf's exit code; it prints each place and its rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", action="store_true", help="publish the contract as it stands")
    release = parser.parse_args().release
    with tempfile.TemporaryDirectory() as name:
        folder, program = workspace(Path(name)), str(buf())
        if release:
            commands = [["build", "ours", "--exclude-source-info", "-o", str(RELEASED)]]
        else:
            commands = [
                ["lint", "ours"],
                ["breaking", "ours", "--against", str(RELEASED), "--exclude-imports"],
            ]
        codes = [
            subprocess.run([program, *command], cwd=folder, check=False).returncode
            for command in commands
        ]
    if not any(codes):
        print(f"written: {RELEASED.relative_to(ROOT)}" if release else "the contract holds")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
