"""Generated protocol code beside its sources: `generate_protos.py` writes it, `--check` compares.

The oldest supported tools make it, because generated code refuses older run times: they sit in
an environment of their own below `.cache/` (made on first use).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
TOOLS = ("grpcio-tools==1.72.1", "mypy-protobuf==3.6.0", "googleapis-common-protos==1.70.0")
"""Newer tools need pyproject's lower bounds of grpcio and protobuf to rise with them."""
ENVIRONMENT = ROOT / ".cache" / "proto-tools-1.72.1"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def tools_python() -> Path:
    """The interpreter of the tools' environment, made if it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    ready = ENVIRONMENT / "ready"
    if not ready.exists():
        print(f"setting up {', '.join(TOOLS)} in {ENVIRONMENT.relative_to(ROOT)}", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS]
        subprocess.run([str(python), *install], check=True)
        ready.touch()
    return python


def includes(python: Path, folder: Path) -> list[Path]:
    """Folders to import from; googleapis ships operations.proto under another name than its own."""
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    packages = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout[:-1])
    operations = folder / "google" / "longrunning" / "operations.proto"
    operations.parent.mkdir(parents=True)
    shutil.copy(packages / "google" / "longrunning" / "operations_proto.proto", operations)
    return [PROTOS, folder, packages, packages / "grpc_tools" / "_proto"]


def generate(into: Path) -> None:
    """Writes the generated files below `into`."""
    python = tools_python()
    with tempfile.TemporaryDirectory() as folder:
        roots = [f"-I{root}" for root in includes(python, Path(folder))]
        plugin = ENVIRONMENT / "bin" / "protoc-gen-mypy_grpc"
        outputs = [f"--{kind}_out={into}" for kind in ("python", "pyi", "grpc_python")]
        outputs += [f"--mypy_grpc_out=quiet:{into}", f"--plugin=protoc-gen-mypy_grpc={plugin}"]
        files = [str(path) for path in sorted(PROTOS.rglob("*.proto"))]
        subprocess.run(
            [str(python), "-m", "grpc_tools.protoc", *roots, *outputs, *files], check=True
        )
    for path in into.rglob("*_pb2_grpc.py*"):
        if not has_service(path.relative_to(into)):
            path.unlink()


def has_service(path: Path) -> bool:
    """Whether the source of a `_pb2_grpc` file declares a service."""
    name = path.name.split("_pb2_grpc")[0]
    source = PROTOS / path.parent / f"{name}.proto"
    return "\nservice " in source.read_text(encoding="utf-8")


def contents(folder: Path) -> dict[Path, bytes]:
    """Generated files below a folder by their path in it."""
    found = (path for kind in GENERATED for path in folder.rglob(kind))
    return {path.relative_to(folder): path.read_bytes() for path in found}


def main() -> int:
    """0 when the generated code is (now) right, 1 when `--check` found a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, there = contents(Path(folder)), contents(PROTOS)
    differ = sorted(name for name in fresh | there if fresh.get(name) != there.get(name))
    if check:
        for name in differ:
            print(f"{name} differs from its source: run python scripts/generate_protos.py")
        return 1 if differ else 0
    for name in differ:
        if name in fresh:
            (PROTOS / name).write_bytes(fresh[name])
        else:
            (PROTOS / name).unlink()
    print(f"{len(differ)} of {len(fresh)} generated files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
