"""The schemas of the messages that are checked against theirs: `schemas/README.md` says where they are from."""

from __future__ import annotations

from functools import cache
from importlib import resources

from lxml import etree

MESSAGES = ("pain.001.001.09", "camt.053.001.08", "camt.054.001.08")
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"


@cache
def schema(message: str) -> etree.XMLSchema:
    """The schema of one of MESSAGES."""
    data = resources.files(__package__).joinpath("schemas", f"{message}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(data))


def schema_of(namespace: str) -> etree.XMLSchema | None:
    """The schema of the message that a namespace names, or None for one that we don't have."""
    message = namespace.removeprefix(NAMESPACE)
    return schema(message) if message in MESSAGES else None
