"""Commands, options, routes, settings, files and headings that documents name are there."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest

from cli import main
from kit import settings
from tests.pin_openapi import PINNED
from tests.tidy.test_tidy import ROOT, TRACKED

DOCUMENTS = [name for name in TRACKED if name.endswith(".md") and not name.startswith("CHANGELOG")]
PATHS = json.loads(PINNED.read_text("utf-8"))["paths"]
ROUTES = {(method.upper(), re.sub(r"{\w+}", "{}", path)) for path, item in PATHS.items() for method in item}


def commands(text: str) -> list[str]:
    """What stands behind `coalition ` in code: lines of blocks, and spans; of `a | b` the first."""
    text = re.sub(r"\\\n\s*", "", text)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    found = [re.search(r"(?:^|\.venv/bin/)coalition (.*)", " ".join(one.split())) for one in (*lines, *spans)]
    return [one[1] for one in found if one]


def fault(line: str) -> str | None:
    """What of the command `line` isn't there."""
    try:
        words = shlex.split(line.partition(" # ")[0].partition(" > ")[0].replace("…", "x"), comments=True)
    except ValueError:
        return None
    command: click.Command = main
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in {*known, "--help"}:
                return f"{command.name} has no {word}"
        elif word == "|" or not isinstance(command, click.Group):
            if word == "|":
                return None
        elif word in command.commands:
            command = command.commands[word]
        elif re.fullmatch(r"[a-z-]+", word):
            return f"{command.name} has no {word}"
        else:
            return None
    return None


def headings(text: str) -> set[str]:
    """The anchors of a document: its headings as GitHub makes addresses of them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    shown = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in shown}


def broken_links(document: str, text: str) -> list[str]:
    """The links to a file that isn't in the project, or to a heading that isn't in the file."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if re.match(r"\w+:", link):
            continue  # elsewhere
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in headings(target.read_text("utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("document", [name for name in TRACKED if name.endswith(".md")])
def test_a_link_of_a_document_leads_somewhere(document: str) -> None:
    assert broken_links(document, (ROOT / document).read_text("utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_command_a_document_names_is_there_with_its_options(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert [found for line in commands(text) if (found := fault(line))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_route_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = re.findall(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(/v1/[\w/{}.-]+)", text)
    assert [(m, p) for m, p in named if (m, re.sub(r"{\w+}", "{}", p.rstrip("./"))) not in ROUTES] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_setting_a_document_names_is_there(document: str) -> None:
    known = {settings.PREFIX + one.name.upper() for one in fields(settings.Settings)}
    known |= {f"{settings.PREFIX}{name.upper()}_FILE" for name in settings.SECRET_NAMES}
    found = set(re.findall(r"`(COALITION_[A-Z_]+)", Path(ROOT / document).read_text("utf-8")))
    assert found - known == set()


def test_what_is_not_there_is_found() -> None:
    assert fault("partner brnd add corner") == "partner has no brnd"
    assert fault("rate set corner 1 --sinse 2026-01-01") == "set has no --sinse"
    assert fault("rate correct rate_x --points-per-unit 2") is None
    assert broken_links("README.md", "[a](docs/nowhere.md) [b](docs/tour.md#nowhere) [c](#nowhere)") == [
        "docs/nowhere.md", "docs/tour.md#nowhere", "#nowhere",
    ]  # fmt: skip
