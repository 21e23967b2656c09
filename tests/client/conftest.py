"""The same server and detectors as the service's tests use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_place = Path(__file__).resolve().parents[1] / "service" / "conftest.py"
_spec = importlib.util.spec_from_file_location("service_fixtures", _place)
assert _spec is not None
assert _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["service_fixtures"] = _fixtures
_spec.loader.exec_module(_fixtures)

flower_data = _fixtures.flower_data
noise = _fixtures.noise
server = _fixtures.server
tiny_models = _fixtures.tiny_models
