"""The audit's entry is written by the verb: no edge appends one, and whatever takes an act leaves an entry of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.tidy.test_tidy import OURS, ROOMS, ROOT

# What partners hand in as files is kept in the room that posts it.
NO_EDGE = {"api/batch_files.py"}


@dataclass
class Verb:
    """A function that takes an act: its own entries, whom it hands the act to, and what is wrong with it."""

    appends: int = 0
    hands_to: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def sources() -> dict[str, str]:
    paths = [path for path in OURS if path.relative_to(ROOT).parts[0] in ROOMS]
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}


def is_edge(path: str) -> bool:
    room, *_, name = path.split("/")
    at_terminal = name == "cli.py" or name.endswith("_cli.py") or "/cli/" in path
    return path not in NO_EDGE and (at_terminal or room in ("api", "console"))


def is_append(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.append"


def names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def faults_of(files: dict[str, str]) -> list[str]:
    """What is wrong in these modules, by their paths."""
    found = [
        f"{path}: an edge appends" for path, text in files.items() if is_edge(path) and "audit.append(" in text
    ]  # fmt: skip
    verbs: dict[str, Verb] = {}
    for path, text in files.items():
        if path != "kit/audit.py" and "act" in text:
            verbs |= dict(verbs_of(path.removesuffix(".py").replace("/", "."), ast.parse(text)))
    leaving = {name for name, verb in verbs.items() if verb.appends}
    while more := {name for name, verb in verbs.items() if name not in leaving and verb.hands_to & leaving}:
        leaving |= more
    for name, verb in verbs.items():
        found += [f"{name}: {fault}" for fault in verb.faults]
        if name not in leaving:
            found.append(f"{name}: takes an act and leaves no entry")
        if verb.appends > 1:
            found.append(f"{name}: appends more than once")
    return found


def verbs_of(module: str, tree: ast.Module) -> Iterator[tuple[str, Verb]]:
    known = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    known |= {function.name: f"{module}.{function.name}" for function in functions}
    for function in functions:
        if "act" in {arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)}:
            yield f"{module}.{function.name}", look_at(function, known)


def look_at(function: ast.FunctionDef, known: dict[str, str]) -> Verb:
    verb = Verb()
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or "act" not in set().union(*map(names, node.args)):
            continue
        if is_append(node):
            verb.appends += 1
        elif isinstance(node.func, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node.func).partition(".")
            verb.hands_to.add(f"{known.get(first, first)}.{rest}".rstrip("."))
    for after in behind_the_entry(function.body, []):
        if any(isinstance(node, ast.Call) and "session" in names(node) for node in ast.walk(after)):
            verb.faults.append(f"line {after.lineno} follows the entry in its transaction")
    return verb


def behind_the_entry(block: list[ast.stmt], outer: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run behind an entry while its transaction is open: to the end of its `with`."""
    for n, statement in enumerate(block):
        rest = block[n + 1 :] + outer
        if isinstance(statement, ast.Expr) and is_append(statement.value):
            yield from rest
        inner = [] if isinstance(statement, ast.With) else rest
        for name in ("body", "orelse", "finalbody"):
            yield from behind_the_entry(getattr(statement, name, []), inner)


def test_no_edge_writes_the_audit_and_every_act_leaves_its_entry() -> None:
    assert faults_of(sources()) == []


def test_what_takes_an_act_is_looked_at_in_every_room() -> None:
    rooms = {
        path.split("/")[0] for path, text in sources().items() if not is_edge(path) and "audit.append(session, " in text
    }
    assert rooms == set(ROOMS) - {"console", "kit"}


VERB = "def add(session, act, *, name):\n"
CALLED = "from partners import brands\n\n"


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("partners/brands.py", f"{VERB}    session.execute(name)\n", "leaves no entry"),
        (
            "partners/brands.py",
            f"{VERB}    note(session, act)\n\ndef note(session, act):\n    pass\n",
            "leaves no entry",
        ),
        ("settlement/terms.py", f"{CALLED}{VERB}    brands.get(session, act.now)\n", "leaves no entry"),
        ("partners/brands.py", VERB + '    audit.append(session, act, "a", name)\n' * 2, "more than once"),
        (
            "partners/brands.py",
            f'{VERB}    audit.append(session, act, "a", name)\n    return get(session, name)\n',
            "follows the entry",
        ),
        (
            "partners/brands.py",
            f'{VERB}    if name:\n        audit.append(session, act, "a", name)\n    get(session, name)\n',
            "follows the entry",
        ),
        ("api/v1/admin/brands.py", 'def add():\n    audit.append(session, act(), "a", "b")\n', "an edge appends"),
        ("console/pages.py", 'def add():\n    audit.append(session, act(), "a", "b")\n', "an edge appends"),
        ("partners/cli/parts.py", 'def add():\n    audit.append(session, act, "a", "b")\n', "an edge appends"),
        ("ops/key_cli.py", 'def add():\n    audit.append(session, act, "a", "b")\n', "an edge appends"),
    ],
)
def test_a_verb_that_forgets_it_or_goes_on_behind_it_is_found(path: str, text: str, fault: str) -> None:
    """Planted beside all the rest, it is the only one."""
    assert any(fault in one for one in faults_of({**sources(), path: text}) if one.startswith(path[:6]))
