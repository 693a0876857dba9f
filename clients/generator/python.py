"""The generated part of the Python client: files by their names, formatted as everything here is."""

from __future__ import annotations

import keyword
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clients.generator.description import Description, Field, Model, Operation

Imports = Sequence[tuple[str, list[str]]]
MARK = "Generated from the API's description"
WIDTH = 120
CONFIG = Path(__file__).parents[2] / "pyproject.toml"
PACKAGE = Path(__file__).parents[1] / "python" / "coalition_client"
_KINDS = {
    400: "Malformed", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 412: "Stale",
    413: "Malformed", 415: "Malformed", 422: "Invalid", 428: "Stale", 429: "TooManyRequests", 500: "Unavailable",
    503: "Unavailable",
}  # fmt: skip


def generate(described: Description) -> dict[Path, str]:
    """Every generated file of the package: its path in it, and its text."""
    places = _places(described)
    answers = {one.kind for group in described.groups for one in group.operations if one.answer == "one"}
    files = {
        Path("api.py"): _render("api.py", groups=described.groups, version=described.version),
        Path("problems.py"): _problems(described),
        Path("events.py"): _models("What events tell.", [model for *_, model in described.events], described.events),
        Path("models/__init__.py"): _render("names.py", imports=_imports(places, places), names=sorted(places)),
    }
    for group in described.groups:
        used = {name for one in group.operations for name in (one.kind, *_in_arguments(one, places)) if name}
        files[Path(f"resources/{group.name}.py")] = _render("resource.py", group=group, imports=_imports(used, places))
        if models := [described.models[name] for name, place in places.items() if place == group.name]:
            outside = {name for model in models for name in model.refers_to if places[name] != group.name}
            title = f"{group.description}: the values."
            files[Path(f"models/{group.name}.py")] = _models(title, models, (), _imports(outside, places), answers)
    return _formatted(files)


def _models(
    title: str,
    models: list[Model],
    events: tuple[tuple[str, int, Model], ...],
    imports: Imports = (),
    answers: Iterable[str] = (),
) -> str:
    return _render("models.py", title=title, models=models, events=events, imports=imports, answers=answers)


def _problems(described: Description) -> str:
    found = [{**vars(one), "class_name": one.class_name, "kind": _KINDS[one.status]} for one in described.problems]
    return _render("problems.py", problems=found, kinds=sorted({one["kind"] for one in found}))


def _places(described: Description) -> dict[str, str]:
    """In which module each model stands: that of the first group that uses it, so that none imports a later one."""
    places: dict[str, str] = {}
    for group in described.groups:
        for one in group.operations:
            wanted = {one.kind} | (described.models[one.body].refers_to if one.body else frozenset())
            for name in sorted(_with_inner(wanted - {""}, described.models)):
                places.setdefault(name, group.name)
    return places


def _with_inner(names: Iterable[str], models: Mapping[str, Model]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += models[name].refers_to
    return found


def _in_arguments(one: Operation, places: dict[str, str]) -> Iterator[str]:
    for field in one.body_fields:
        yield from (name for name in places if name in field.sent_type.replace("[", " ").replace("]", " ").split())


def _imports(names: Iterable[str], places: dict[str, str]) -> Imports:
    modules = sorted({places[name] for name in names})
    return [(module, sorted(name for name in set(names) if places[name] == module)) for module in modules]


def _arguments(one: Operation) -> list[str]:
    fields = [*one.body_fields, *one.query_fields]
    found = ["content: bytes"] if one.media else []
    found += [f"{_safe(field.name)}: {field.sent_type}" for field in fields if field.required]
    if one.media:
        found.append(f"content_type: Literal[{', '.join(map(repr, one.media))}]")
    if one.matched:
        found.append("if_match: str")
    found += [f"{_safe(field.name)}: {_optional(field.sent_type)} = None" for field in fields if not field.required]
    if one.keyed:
        found.append("idempotency_key: str | None = None")
    if one.dries:
        found.append("dry_run: bool = False")
    return ["self", *(f"{field.name}: str" for field in one.path_fields), *(["*", *found] if found else [])]


def _handed_on(fields: Iterable[Field]) -> str:
    return ", ".join(f"{field.name}={_safe(field.name)}" for field in fields)


def _returned(one: Operation) -> str:
    return {
        "one": one.kind,
        "all": f"tuple[{one.kind}, ...]",
        "pages": f"Pages[{one.kind}]",
        "lines": "Iterator[Any]",
        "file": "Iterator[bytes]",
        "done": "Meta",
    }[one.answer]


def _docstring(one: Operation) -> str:
    """The summary, what else there is to say, and the arguments that say something of themselves."""
    paragraphs = dict.fromkeys([one.summary, *one.description.split("\n\n")])
    found = [_wrapped(part, 8) for part in paragraphs if part]
    said = [field for field in (*one.path_fields, *one.body_fields, *one.query_fields) if field.description]
    if said:
        found.append("\n        ".join(_wrapped(f"{field.name}: {field.description}", 8, hanging=4) for field in said))
    return "\n\n        ".join(found) + ("\n        " if len(found) > 1 else "")


def _annotation(field: Field) -> str:
    return field.type if field.required else f"{_optional(field.type)} = None"


def _optional(kind: str) -> str:
    return kind if kind.endswith("| None") else f"{kind} | None"


def _safe(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name


def _wrapped(text: str, indent: int, *, hanging: int = 0) -> str:
    """`text` in lines behind `indent` spaces, all but the first `hanging` more; the first stands where it is put."""
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - indent - 4, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * (indent + hanging)).join(lines)


def _one_line(text: str) -> str:
    return textwrap.shorten(text, WIDTH - 6, placeholder=" …")


_ENVIRONMENT = Environment(  # noqa: S701 -- it makes Python, which no browser reads
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {
    "annotation": _annotation,
    "arguments": _arguments,
    "docstring": _docstring,
    "handed_on": _handed_on,
    "one_line": _one_line,
    "returned": _returned,
    "wrapped": _wrapped,
}


def _render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(f"{template}.jinja").render(**values)


def _formatted(files: Mapping[Path, str]) -> dict[Path, str]:
    """`files` as ruff has them here: without imports that are not used, in order, in its layout."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            place = Path(folder, path)
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, "utf-8")
        for arguments in (
            ["check", "--fix", "--exit-zero", "--select", "F401,I", "--no-cache"],
            ["format", "--no-cache"],
        ):
            command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--config", str(CONFIG), folder]
            subprocess.run(command, check=True)
        return {path: Path(folder, path).read_text("utf-8") for path in files}
