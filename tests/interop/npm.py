"""Packages of Node.js, as a lock beside the test says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def install(source: Path, folder: Path) -> Path:
    """Copy what stands in `source` into `folder` and install what it needs; skips the test where that can't be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("this needs Node.js and npm")
    for path in (*source.glob("*.mjs"), *source.glob("package*.json")):
        shutil.copy(path, folder)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        if "CI" in os.environ:
            pytest.fail(done.stderr)
        pytest.skip("the npm registry can't be reached")
    return folder
