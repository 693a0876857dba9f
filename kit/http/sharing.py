"""What several operations of the API's description have in common: written once, below `components`."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kit.http.problems import CONTENT_TYPE

MOST_CODES_IN_NAME = 4


@dataclass(frozen=True)
class _Place:
    """Where a response or a parameter stands: `holder[key]`; `section` and `name` say where it is shared."""

    holder: Any
    key: Any
    section: str
    name: str


def share(paths: dict[str, Any], components: dict[str, Any], *, prefix: str = "") -> None:
    """Move to `components` what repeats in `paths`: parameters by their names, responses by what they carry.

    Of several that would have one name the most frequent has it, and the others stay where they are.
    """
    places: dict[tuple[str, str], list[_Place]] = defaultdict(list)
    for item in paths.values():
        for place in _places(item, prefix):
            places[place.section, place.name].append(place)
    for (section, name), found in places.items():
        texts = [json.dumps(place.holder[place.key], sort_keys=True) for place in found]
        text, times = Counter(texts).most_common(1)[0]
        if times == 1 or name in components[section]:
            continue
        same = [place for place, its_text in zip(found, texts, strict=True) if its_text == text]
        components[section][name] = same[0].holder[same[0].key]
        for place in same:
            place.holder[place.key] = {"$ref": f"#/components/{section}/{name}"}


def _places(item: dict[str, Any], prefix: str) -> Iterator[_Place]:
    yield from _parameters(item.get("parameters", []), prefix)
    for method, operation in item.items():
        if method == "parameters":
            continue
        yield from _parameters(operation["parameters"], prefix)
        for status, response in operation["responses"].items():
            if "$ref" not in response and (name := _name(status, response)) is not None:
                yield _Place(operation["responses"], status, "responses", prefix + name)


def _parameters(parameters: list[dict[str, Any]], prefix: str) -> Iterator[_Place]:
    for number, parameter in enumerate(parameters):
        if "$ref" not in parameter:
            name = _camel_case(parameter["name"])
            yield _Place(parameters, number, "parameters", prefix + name.removeprefix(prefix))


def _name(status: str, response: dict[str, Any]) -> str | None:
    """`MemberNotFound`, `InvalidRequestOrMalformedId`, `TransactionCreated`; None for what no short name says."""
    content = response.get("content", {})
    if not content:
        return _phrase(status)
    if CONTENT_TYPE in content:
        codes = content[CONTENT_TYPE]["examples"]
        return "Or".join(map(_camel_case, codes)) if len(codes) <= MOST_CODES_IN_NAME else None
    schema = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    return schema + (_phrase(status) or "") if schema else None


def _phrase(status: str) -> str | None:
    return _camel_case(HTTPStatus(int(status)).phrase) if status.isdigit() else None


def _camel_case(text: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", text))
