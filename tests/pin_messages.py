"""Write what is to be translated into the catalogues: `python -m tests.pin_messages`.

What is new stands there without a translation, what is gone goes; a translation stays with its text. The texts are
those marked in templates and in the code, what scopes mean, and what the errors of the service say.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from console.app import CATALOGUES
from identity.scopes import MEMBER_SCOPES, SCOPES
from kit import errors
from wsgi import create_app

ROOT = Path(__file__).parent.parent
ROOMS = ("coalition", "console", "identity", "settlement", "webhooks")
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
ADDED = datetime(2026, 1, 1, tzinfo=UTC)  # no file changes because a day has passed


def extracted() -> Catalog:
    """Every text that people read on our pages and in our mails, without translations."""
    catalogue = Catalog(project="Coalition", version="1", fuzzy=False, creation_date=ADDED, revision_date=ADDED)
    options = {"templates/**.html": {"newstyle_gettext": "true", "silent": "false", "trimmed": "false"}}
    for room in ROOMS:
        found = extract_from_dir(str(ROOT / room), METHODS, options, keywords=KEYWORDS, strip_comment_tags=True)
        for file, _, message, _, _ in found:
            catalogue.add(message, locations=[(f"{room}/{file}", 0)])
    for meaning in {**SCOPES, **MEMBER_SCOPES}.values():
        catalogue.add(meaning, locations=[("identity/scopes.py", 0)])
    for code in codes_of_the_service():
        kind = errors.catalogue()[code]
        for said in (kind.title, kind.description, kind.remedy):
            catalogue.add(_message(said), auto_comments=[code])
    return catalogue


def updated(path: Path) -> bytes:
    """The catalogue at `path` with today's texts."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem)
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    out = BytesIO()
    write_po(out, catalogue, width=120, sort_output=True, include_lineno=False, omit_header=False)
    return re.sub(rb'"(POT-Creation|PO-Revision)-Date: [^"]*"\n', b"", out.getvalue())


def codes_of_the_service() -> list[str]:
    """The errors a request can meet: those that the service knows, without commands or tests."""
    assert create_app  # it imports them here, too
    listed = "import wsgi; from kit import errors; print(*errors.catalogue())"
    done = subprocess.run([sys.executable, "-c", listed], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def _message(said: str) -> str:
    return " ".join(said.split())


if __name__ == "__main__":
    for each in sorted(CATALOGUES.glob("*.po")):
        each.write_bytes(updated(each))
