"""The locked requirements hold whatever any Python we run on asks for: a lock is resolved on one of them only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11.0", "3.11.2", "3.11.3", "3.12.0", "3.13.0", "3.14.0")


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "requirements" / "runtime.txt").read_text("utf-8").splitlines()
    found = [Requirement(line.removesuffix("\\").strip()) for line in lines if re.match(r"[a-z0-9]", line)]
    return {canonicalize_name(one.name): one for one in found}


def environment(python: str) -> dict[str, str]:
    told = {name: str(value) for name, value in default_environment().items()}
    return {**told, "python_full_version": python, "python_version": ".".join(python.split(".")[:2])}


def asked(name: str, python: str) -> Iterator[Requirement]:
    try:
        wanted = requires(name) or []
    except PackageNotFoundError:
        return  # not for this Python
    for one in map(Requirement, wanted):
        if one.marker is None or one.marker.evaluate({**environment(python), "extra": ""}):
            yield one


@pytest.mark.parametrize("python", PYTHONS)
def test_everything_that_this_python_needs_is_locked_for_it(python: str) -> None:
    lock = locked()
    missing = [
        f"{name} asks for {one}"
        for name in lock
        for one in asked(name, python)
        if (kept := lock.get(canonicalize_name(one.name))) is None
        or (kept.marker is not None and not kept.marker.evaluate(environment(python)))
    ]
    assert missing == []
