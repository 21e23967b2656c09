"""Who may import whom, read off the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "cnn_core": ROOT / "cnn_core",
    "sweepnet_service": ROOT / "service" / "sweepnet_service",
    "sweepnet_protos": ROOT / "protos" / "sweepnet_protos",
    "sweepnet": ROOT / "clients" / "python" / "sweepnet",
}
GRPC = {"grpc", "grpc_status", "google"}
# Besides the standard library and the package itself.
ALLOWED = {
    "cnn_core": {"numpy", "scipy", "safetensors"},
    "sweepnet_protos": GRPC,
    "sweepnet": {"sweepnet_protos", "typer", "rich", *GRPC},
    "sweepnet_service": {
        "cnn_core", "sweepnet_protos", "grpc_health", "grpc_reflection", "numpy", "scipy", "PIL",
        "pydantic", "pydantic_settings", "rich", "safetensors", "soundfile", "soxr", "structlog",
        "alembic", "prometheus_client", "sqlalchemy", "threadpoolctl", "typer",
        "typing_extensions", "uvloop", *GRPC,
    },
}  # fmt: skip
# Drawing belongs to the extra [plots], cutting out to [clips], microphones to [mic], tables to
# [tables], ONNX to [onnx], tempo to [train]:
# imported only when something is drawn, cut out, heard, tabulated, exported or stretched.
EXTRAS = {
    FOLDERS["sweepnet"] / "cli" / "clips.py": {"soundfile"},
    FOLDERS["sweepnet"] / "tables.py": {"pandas", "pyarrow"},
    FOLDERS["sweepnet"] / "demo" / "figures.py": {"matplotlib", "PIL"},
    **{path: {"matplotlib", "PIL"} for path in (FOLDERS["sweepnet"] / "drawing").glob("*.py")},
    FOLDERS["sweepnet_service"] / "detectors/keyword/bench/picture.py": {"matplotlib"},
    FOLDERS["sweepnet_service"] / "detectors/keyword/augment.py": {"python_stretch"},
    **{path: {"onnx"} for path in (FOLDERS["cnn_core"] / "onnx_export").glob("*.py")},
}


def sources(package: str) -> list[Path]:
    return sorted(FOLDERS[package].rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the absolute imports anywhere in a file, functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    """service -> core, protos; client -> protos; core -> numpy, scipy, safetensors."""
    allowed = ALLOWED[package] | set(sys.stdlib_module_names) | {package}
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imported(path)
        if name not in allowed | EXTRAS.get(path, set())
    }

    assert wrong == set()
    assert sources(package)


def test_the_client_loads_neither_numpy_nor_the_service() -> None:
    """The rule holds for what is loaded, too, not only for what is written."""
    import subprocess

    heavy = {"numpy", "scipy", "cnn_core", "sweepnet_service", "matplotlib", "PIL", "soundfile"}
    check = f"import sweepnet, sweepnet.cli.spot, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
