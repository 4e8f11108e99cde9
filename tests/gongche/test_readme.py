"""The README's commands do what it says; both languages show the same ones."""

import os
import re
import subprocess
from pathlib import Path

from tests.gongche.conftest import COMMAND, clean_environment

ROOT = Path(__file__).parents[2]
# These would run the tests within the tests, start a service without end, or need somebody else's database.
NOT_RUN = ("make demo", "make test", "GONGCHE_DATABASE_URL=")


def blocks(name: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_both_languages_show_the_same_commands() -> None:
    assert len(blocks("README.md")) >= 6
    assert blocks("README.zh-CN.md") == blocks("README.md")


def test_the_commands_of_the_readme_work(reachable_tmp: Path) -> None:
    environment = clean_environment(reachable_tmp / "home")
    environment["PATH"] = f"{Path(COMMAND).parent}{os.pathsep}{environment['PATH']}"
    run = [block for block in blocks("README.md") if not block.startswith(NOT_RUN)]
    assert len(run) >= 3
    for block in run:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=reachable_tmp,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert (reachable_tmp / "trips.geojson").stat().st_size > 1000


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
