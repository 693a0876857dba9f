"""The files of docs/deploy are ones that the programs they are for understand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit import settings

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze isn't installed")


def analyze(*words: str) -> str:
    environment = {**os.environ, "SYSTEMD_PAGER": "", "LC_ALL": "C"}
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    unit = tmp_path / "coalition.service"
    text = (DEPLOY / unit.name).read_text("utf-8")
    assert "/opt/coalition/bin/coalition" in text
    unit.write_text(text.replace("/opt/coalition/bin/coalition", f'"{sys.executable}"'))
    assert analyze("verify", "--man=no", str(unit)) == ""


@needs_systemd
def test_the_unit_may_do_little_else() -> None:
    said = analyze("security", "--offline=true", "--json=short", str(DEPLOY / "coalition.service"))
    found = {one["json_field"]: one["exposure"] for one in json.loads(said)}
    open_to = sorted(name for name, exposure in found.items() if exposure and float(exposure) >= 0.3)
    assert open_to == ["PrivateNetwork", "RestrictAddressFamilies_AF_INET_INET6"], "which it is there for"


@pytest.mark.parametrize("name", ["coalition.service", "Containerfile"])
def test_settings_in_them_are_there(name: str) -> None:
    known = {settings.PREFIX + one.upper() for one in settings.Settings.__dataclass_fields__}
    known |= {f"{settings.PREFIX}{one.upper()}_FILE" for one in settings.SECRET_NAMES}
    assert set(re.findall(r"COALITION_[A-Z_]+", (DEPLOY / name).read_text("utf-8"))) <= known
