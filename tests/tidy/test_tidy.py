"""The style, tested: lengths, what stands in whose file, and that documents tell the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import click
import pytest

from cli import main
from clients.generator import python
from kit import errors, schema, settings
from kit.http.problems import status_of
from migrations import sources as functions_of_the_database
from ops import cli as ops_cli
from wsgi import create_app

ROOT = Path(__file__).parents[2]
ROOMS = ("kit", "coalition", "partners", "identity", "webhooks", "settlement", "console", "api", "ops")
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
RECEIVING = "tests/receiving.py"
LONGEST_SQL_FUNCTION = 90  # with the comment above it


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
    if python.MARK in text[:300]:  # what is generated nobody edits: its templates are what has to be read
        return
    assert long == []
    assert len(text.splitlines()) <= LONGEST_MODULE or "tests" in path.parts


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_module_says_first_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_commits_but_the_database_module(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\.(commit|begin)\(\)", text) or name(path) in ("kit/db.py", "migrations/env.py")


# What rooms publish of their tables for others to read: the outbox's rows, and views.
PUBLISHED = {"kit.event", "partners.standing", "partners.open_till"}


def test_a_table_is_one_rooms_own() -> None:
    users: dict[str, set[str]] = {}
    writers: dict[str, set[str]] = {}
    named = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE)\s+((?:{'|'.join(ROOMS)})\.\w+)\b(?!\()")
    for path in (p for p in OURS if p.relative_to(ROOT).parts[0] in ROOMS):
        for verb, table in named.findall(path.read_text("utf-8")):
            room = path.relative_to(ROOT).parts[0]
            users.setdefault(table, set()).add(room)
            if verb in ("INTO", "UPDATE"):
                writers.setdefault(table, set()).add(room)
    assert {table: rooms for table, rooms in users.items() if len(rooms) > 1 and table not in PUBLISHED} == {}
    assert {table: rooms for table, rooms in writers.items() if len(rooms) > 1} == {}
    assert users.keys() >= PUBLISHED


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


def test_every_error_has_a_code_a_title_what_it_means_and_what_to_do() -> None:
    assert create_app  # these two import every room between them
    assert ops_cli
    for code, kind in errors.catalogue().items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert kind.title, code
        assert 400 <= status_of(kind) < 600
        for said in (kind.description, kind.remedy):
            assert re.fullmatch(r"[A-Z`].*[^.]\.", said), f"{code}: {said!r} is no sentence"


def test_every_command_is_given_its_help() -> None:
    waiting: list[tuple[str, click.Command]] = [("coalition", main)]
    found = 0
    while waiting:
        path, command = waiting.pop()
        assert command.help, path
        assert (command.callback.__doc__ if command.callback else None) is None, f"{path}: docstrings are for us"
        found += 1
        if isinstance(command, click.Group):
            waiting += [(f"{path} {word}", one) for word, one in command.commands.items()]
    assert found > 100


GROUPS = """
import sys
from cli import COMMANDS

names = sorted(COMMANDS, reverse=sys.argv[1] == "back")
at_first = {name: set(getattr(COMMANDS[name], "commands", ())) for name in names}
more = {name: set(getattr(COMMANDS[name], "commands", ())) - known for name, known in at_first.items()}
assert not any(more.values()), more
"""


@pytest.mark.parametrize("way", ["forth", "back"])
def test_a_group_has_all_its_commands_whatever_else_was_imported(way: str) -> None:
    done = subprocess.run([sys.executable, "-c", GROUPS, way], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _sql() -> dict[str, str]:
    """What speaks to the database and is ours to edit: by file. Steps that landed stay as they are."""
    rooms = [path for path in OURS if path.relative_to(ROOT).parts[0] in ROOMS]
    return {name(path): path.read_text("utf-8") for path in (*rooms, *functions_of_the_database.files())}


def test_columns_are_said_by_name() -> None:
    """So that a table may have one more while this version still runs; inside functions a row may be a row."""
    for path, text in _sql().items():
        assert not re.search(r"INSERT INTO [a-z_.]+\s+(VALUES|SELECT)", text), path
        assert path.endswith(".sql") or not re.search(r"SELECT (\w+\.)?\*|\)\.\*", text), path


def test_lines_of_sql_are_as_long_as_those_of_python() -> None:
    baseline = sorted((ROOT / "migrations" / "sql").glob(f"{schema.baseline()}_*.sql"))
    assert baseline
    for path in (*functions_of_the_database.files(), *baseline):
        assert max(map(len, path.read_text("utf-8").splitlines())) <= 120, name(path)


def test_functions_of_the_database_stay_short() -> None:
    for source in functions_of_the_database.functions():
        assert source.definition.count("\n") < LONGEST_SQL_FUNCTION, source.name


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


def test_csv_is_written_in_one_place() -> None:
    """What people named themselves goes to spreadsheets: `kit.cells` keeps it text."""
    writes = re.compile(r"csv\.(Dict)?writer|from csv import", re.IGNORECASE)
    assert [name(path) for path in OURS if writes.search(path.read_text("utf-8"))] == ["kit/cells.py"]


# Servers of tests that take no webhooks, and what they are instead.
OTHER_SERVERS = {
    "tests/clients/test_retries.py": "an API that fails",
    "tests/coalition/test_witnesses.py": "a witness of the log",
    "tests/e2e/front.py": "a load balancer",
    "tests/e2e/test_commands.py": "a port that is taken",
    "tests/ops/test_run.py": "a service that is starting",
    "tests/webhooks/test_client_tls.py": "a host that ends each handshake",
    "tests/webhooks/test_phases.py": "a port that is taken",
    "tests/webhooks/test_pump.py": "hosts that hang, or speak no HTTP",
}


def test_whoever_receives_webhooks_in_tests_verifies_them() -> None:
    listens = re.compile(r"BaseHTTPRequestHandler|\bstart_server\(|\bcreate_server\(|web\.Application\(")
    servers = {name(path): text for path, text in _texts().items() if path not in OURS and listens.search(text)}
    servers.pop(name(Path(__file__).resolve()))
    verify = {name for name, text in servers.items() if "receiving.current().take(" in text or name == RECEIVING}
    assert servers.keys() - verify == OTHER_SERVERS.keys()
    assert len(verify) == 3  # over HTTP, those that are hostile, and those that outlive pumps
