"""The API's description as plain values, which the templates render: what the OpenAPI document says, and no more.

It reads what this document holds, not all that OpenAPI has; a value of a shape it doesn't know is taken as `Any`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
LINES = "application/jsonl"
METHODS = ("get", "post", "put", "patch", "delete")
# The authorization server: a token is fetched by hand-written code, which keeps it.
NOT_GENERATED = ("oauth",)
MOST_LITERALS = 8


@dataclass(frozen=True)
class Field:
    """One field of a schema, or one parameter; `type` is as an answer has it, `sent_type` as an argument takes it."""

    name: str
    type: str
    sent_type: str
    required: bool
    description: str
    example: Any = None


@dataclass(frozen=True)
class Model:
    """One schema that values are made of; `refers_to` are the models in its fields."""

    name: str
    description: str
    fields: tuple[Field, ...]
    refers_to: frozenset[str]


@dataclass(frozen=True)
class Operation:
    """One thing a client can do.

    `answer` is one of one, all, pages, lines, done; `kind` is the model it is made of; `status` that of success.
    """

    name: str
    method: str
    path: str
    summary: str
    description: str
    answer: str
    kind: str
    status: int
    keyed: bool
    matched: bool
    dries: bool
    media: tuple[str, ...]
    body: str | None
    path_fields: tuple[Field, ...]
    query_fields: tuple[Field, ...]
    body_fields: tuple[Field, ...]
    example: Any = None


@dataclass(frozen=True)
class Group:
    """Operations on one kind of thing."""

    name: str
    description: str
    operations: list[Operation] = field(default_factory=list)

    @property
    def class_name(self) -> str:
        """`WebhookEndpoints` for `webhook_endpoints`."""
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True)
class Problem:
    """One code a refusal can have, as the class that a client catches."""

    code: str
    status: int
    title: str

    @property
    def class_name(self) -> str:
        """`InsufficientPoints` for `insufficient_points`."""
        return "".join(word.capitalize() for word in self.code.split("_"))


@dataclass(frozen=True)
class Description:
    """All of it; `events` are models by the type of event whose data they are, and its version."""

    version: str
    groups: tuple[Group, ...]
    models: Mapping[str, Model]
    problems: tuple[Problem, ...]
    events: tuple[tuple[str, int, Model], ...]


def read(document: Mapping[str, Any]) -> Description:
    """The description in an OpenAPI document; raises KeyError or ValueError for what it does not know."""
    document = spelled_out(document)
    schemas = document["components"]["schemas"]
    tags = [tag for tag in document["tags"] if tag["name"] not in NOT_GENERATED]
    groups = {tag["name"]: Group(tag["name"].replace("-", "_"), tag["description"]) for tag in tags}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and item[method]["tags"][0] in groups:
                group = groups[item[method]["tags"][0]]
                group.operations.append(_operation(group.name, method.upper(), path, item, schemas))
    examples = [example["value"] for example in document["components"]["examples"].values()]
    return Description(
        version=document["components"]["headers"]["Coalition-Version"]["example"],
        groups=tuple(groups.values()),
        models={name: _model(name, schema) for name, schema in schemas.items()},
        problems=tuple(Problem(one["code"], one["status"], one["title"]) for one in examples),
        events=tuple(_event(name, item["post"]) for name, item in sorted(document["webhooks"].items())),
    )


def spelled_out(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with each shared parameter and response in the places that refer to it."""
    components = document["components"]

    def spelled(part: Any) -> Any:
        if isinstance(part, list):
            return [spelled(one) for one in part]
        if not isinstance(part, dict):
            return part
        _, _, section, name = part["$ref"].split("/") if "$ref" in part else ("", "", "", "")
        if section in ("parameters", "responses"):
            return components[section][name]
        return {key: spelled(one) for key, one in part.items()}

    return {**document, "paths": spelled(document["paths"]), "webhooks": spelled(document["webhooks"])}


def _operation(group: str, method: str, path: str, item: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    described = item[method.lower()]
    parameters = described["parameters"]
    names = {one["name"] for one in parameters}
    content = described.get("requestBody", {}).get("content", {})
    body = schemas[_referred(content[JSON]["schema"])] if JSON in content else {}
    answer, kind = _answer(described, schemas, names)
    by_the_client = {"dry_run", *(["cursor"] if answer == "pages" else [])}
    in_query = [one for one in parameters if one["in"] == "query" and one["name"] not in by_the_client]
    return Operation(
        name=_verb(group, described["operationId"]),
        method=method,
        path=path,
        summary=described["summary"],
        description=described["description"],
        answer=answer,
        kind=kind,
        status=next(int(status) for status in described["responses"] if status.startswith("2")),
        keyed="Idempotency-Key" in names,
        matched="If-Match" in names,
        dries="dry_run" in names,
        media=tuple(content) if content and JSON not in content else (),
        body=_referred(content[JSON]["schema"]) if JSON in content else None,
        path_fields=tuple(_parameter(one) for one in item.get("parameters", [])),
        query_fields=tuple(_parameter(one) for one in in_query),
        body_fields=tuple(_fields(body)),
        example=content[JSON]["example"] if JSON in content else None,
    )


def _verb(group: str, operation_id: str) -> str:
    """What is done, without the name of what it is done to: `earns_earn` creates an earn, and `list_…s` lists them."""
    verb = operation_id.removeprefix(group + "_")
    one = group.removesuffix("s").removesuffix("e") if group.endswith("ches") else group.removesuffix("s")
    for suffix in (f"_{group}", f"_{one}"):
        verb = verb.removesuffix(suffix)
    return "create" if verb == one else verb


def _answer(described: Mapping[str, Any], schemas: Mapping[str, Any], parameters: set[str]) -> tuple[str, str]:
    good = next(answer for status, answer in described["responses"].items() if status.startswith("2"))
    content = good.get("content", {})
    if LINES in content:
        return "lines", ""
    if any(one["schema"].get("format") == "binary" for one in content.values()):
        return "file", ""
    if JSON not in content:
        return "done", ""
    name = _referred(content[JSON]["schema"])
    there = schemas[name]["properties"]
    if set(there) <= {"data", "next_cursor"}:
        return "pages" if "cursor" in parameters else "all", _referred(there["data"]["items"])
    return "one", name


def _parameter(described: Mapping[str, Any]) -> Field:
    return _field(described["name"], {**described["schema"], **described}, required=described.get("required", False))


def _model(name: str, schema: Mapping[str, Any]) -> Model:
    return Model(name, schema.get("description", ""), tuple(_fields(schema)), frozenset(_models_in(schema)))


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    needed = schema.get("required", [])
    for name, described in schema.get("properties", {}).items():
        yield _field(name, described, required=name in needed)


def _field(name: str, described: Mapping[str, Any], *, required: bool) -> Field:
    schema = described.get("schema", described)
    return Field(
        name=name,
        type=_type(schema),
        sent_type=_type(schema, sent=True, named=name),
        required=required,
        description=described.get("description", ""),
        example=described.get("example"),
    )


def _event(name: str, described: Mapping[str, Any]) -> tuple[str, int, Model]:
    envelope = described["requestBody"]["content"][JSON]["schema"]["properties"]
    class_name = "".join(word.capitalize() for word in re.split(r"[._]", name))
    data = _model(class_name, {**envelope["data"], "description": described["summary"]})
    return name, envelope["version"]["const"], data


def _type(schema: Mapping[str, Any], *, sent: bool = False, named: str = "") -> str:
    """The Python type of what `schema` describes; an argument is narrower where that helps whoever writes it."""
    if "$ref" in schema:
        return _referred(schema)
    if "anyOf" in schema:
        several = [_type(one, sent=sent) for one in schema["anyOf"] if one.get("type") != "null"]
        return " | ".join(several) + (_empty(schema, sent=sent) if len(several) < len(schema["anyOf"]) else "")
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    [kind] = [one for one in kinds if one != "null"] or ["any"]
    return _plain(kind, schema, sent=sent) + (_empty(schema, sent=sent) if "null" in kinds else "")


def _empty(schema: Mapping[str, Any], *, sent: bool) -> str:
    """What stands for null: NULL where leaving a field out (None) says something else."""
    return " | None" if not sent else "" if "default" in schema else " | Null"


def _plain(kind: str, schema: Mapping[str, Any], *, sent: bool) -> str:
    if kind == "string":
        if sent and 0 < len(schema.get("enum", ())) <= MOST_LITERALS:
            return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
        return {"date-time": "datetime", "date": "date"}.get(schema.get("format", ""), "str")
    if kind == "array":
        inner = _type(schema["items"], sent=sent)
        return f"Sequence[{inner.removesuffix(' | Null')}]" if sent else f"tuple[{inner}, ...]"
    return {"integer": "int", "number": "float", "boolean": "bool", "object": "Mapping[str, Any]"}.get(kind, "Any")


def _referred(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _models_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield _referred(part)
        for inner in part.values():
            yield from _models_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _models_in(inner)
