"""The house: each package imports only what stands below it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]


def test_every_import_points_downwards() -> None:
    result = subprocess.run(LINT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("package", "line", "broken"),
    [
        ("geo", "import analytics", "geo is the ground floor BROKEN"),
        ("analytics", "import store", "the core is pure: columns in, columns out BROKEN"),
        ("store", "import rules", "the store calls nobody BROKEN"),
        ("ingest", "import web", "ingest meets the rest through the store BROKEN"),
        ("web", "import psycopg", "SQL stands in the store only BROKEN"),
        ("fixtures", "import analytics", "shares no code with what it judges BROKEN"),
        ("web", "import gongche", "each floor knows only those below BROKEN"),
    ],
)
def test_an_import_that_points_upwards_is_found(tmp_path: Path, package: str, line: str, broken: str) -> None:
    for name in ("analytics", "benchmarks", "fixtures", "geo", "gongche", "ingest", "rules", "store", "web"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"{line}\n" if name == package else "")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    result = subprocess.run(
        LINT, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )
    assert result.returncode == 1
    assert broken in result.stdout
