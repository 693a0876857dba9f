"""Write what is made of the API's description; a test holds it against the description of today."""

from __future__ import annotations

import json
from pathlib import Path

from clients.generator import postman, python
from clients.generator.description import read


def made_of(text: str) -> dict[Path, str]:
    """Every file that the OpenAPI document `text` makes, and what belongs into it."""
    described = read(json.loads(text))
    files = {python.PACKAGE / path: content for path, content in python.generate(described).items()}
    return {**files, postman.PLACE: postman.generate(described)}


def made_before() -> set[Path]:
    """Every file of the client that was generated, whether there still is a reason for it or not."""
    return {path for path in python.PACKAGE.rglob("*.py") if python.MARK in path.read_text("utf-8")[:300]}


def write(text: str) -> None:
    """Write them, and take away those that nothing makes any more."""
    files = made_of(text)
    for path in made_before() - files.keys():
        path.unlink()
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
