"""The style, tested: lengths, what stands in whose file, and that documents tell the truth."""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import pytest

from clients.generator import python
from console import cli as console_cli
from kit import errors, settings
from kit.http.problems import status_of
from wsgi import create_app

ROOT = Path(__file__).parents[2]
ROOMS = ("kit", "coalition", "partners", "webhooks", "settlement", "console")
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
SOURCES = [ROOT / name for name in TRACKED if name.endswith(".py") and (ROOT / name).exists()]
OURS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "tests"]
LONGEST_FUNCTION, LONGEST_MODULE = 70, 400


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _texts() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_and_modules_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION]
    assert long == []
    # What is generated nobody edits: its templates are what has to be read.
    assert len(text.splitlines()) <= LONGEST_MODULE or "tests" in path.parts or python.MARK in text[:300]


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_module_says_first_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_commits_but_the_database_module(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\.(commit|begin)\(\)", text) or name(path) in ("kit/db.py", "migrations/env.py")


@pytest.mark.parametrize("path", [p for p in OURS if p.relative_to(ROOT).parts[0] in ROOMS], ids=name)
def test_a_room_names_no_other_rooms_tables(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    others = "|".join(other for other in ROOMS if other != room)
    statements = re.findall(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+({others})\.(\w+)", path.read_text("utf-8"))
    # An event is the outbox's row; whoever lists deliveries or checks the ledger's events reads it, nobody else writes.
    allowed = {("kit", "event")}
    if room == "settlement":
        allowed.add(("partners", "partner"))
    assert set(statements) <= allowed


@pytest.mark.parametrize("path", [p for p in OURS if p.name not in ("__init__.py", "__main__.py")], ids=name)
def test_no_file_is_forgotten(path: Path) -> None:
    if path.parent.name == "versions" or name(path) in ("cli.py", "wsgi.py", "migrations/env.py"):
        return
    named = re.compile(rf"\b{path.stem}\b")
    assert any(named.search(text) for user, text in _texts().items() if user != path)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(COALITION_\w+)`", readme, re.M))
    assert listed == {settings.PREFIX + f.name.upper() for f in fields(settings.Settings)}
    for field in fields(settings.Settings):
        if isinstance(field.default, bool):
            shown = str(field.default).lower()
        elif field.default in (None, (), MISSING):  # the last is worked out: the row says how
            continue
        else:
            shown = str(field.default)
        row = next(line for line in readme.splitlines() if f"`{settings.PREFIX}{field.name.upper()}`" in line)
        assert row.rstrip(" |").endswith(f"`{shown}`"), row


@pytest.mark.parametrize("document", [p for p in TRACKED if p.endswith(".md")])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_every_error_has_a_code_a_title_and_a_sentence() -> None:
    assert create_app  # these two import every room between them
    assert console_cli
    for code, kind in errors.catalogue().items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert kind.title
        assert 400 <= status_of(kind) < 600
        assert (kind.__doc__ or "").strip()


def test_migrations_are_one_line_of_numbers() -> None:
    steps = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    before = None
    for step in steps:
        said = dict(re.findall(r"^(revision|down_revision) = (?:\"(\d{4})\"|None)$", step.read_text("utf-8"), re.M))
        assert (said["revision"], said["down_revision"] or None) == (step.name[:4], before)
        before = said["revision"]


def test_the_locks_name_no_index_host_or_folder() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text("utf-8")
        assert not re.search(r"^(-i|--index|--extra|--find|--trusted)|https?://|file://", text, re.M), lock.name
        assert "--hash=sha256:" in text


@pytest.mark.parametrize("path", [p for p in OURS if p.parent != ROOT and p.parts[-2] != "benchmarks"], ids=name)
def test_nobody_imports_a_composition_root(path: Path) -> None:
    assert not re.search(r"^(from|import) (wsgi|cli)\b", path.read_text("utf-8"), re.M)
