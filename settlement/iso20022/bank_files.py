"""Files from banks as a stream of their elements: XML from outside, of which as little is trusted as can be.

No document type, so no entities; nothing is fetched; size, depth and each element are bounded, and so is the memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO, Protocol, cast

from lxml import etree
from lxml.etree import _Element as Element

from kit.errors import Invalid
from settlement.iso20022 import validation

LARGEST_FILE_BYTES = 2 * 1024**3  # some 2 million entries
LARGEST_ELEMENT_BYTES = 16 * 1024**2
_CHUNK_BYTES = 64 * 1024
_DOCUMENT = "Document"
# "internal": entities from the file itself, and there are none without a document type. With False, lxml passes over
# references to entities that nobody declared and, where there is a schema, over the end of a file that is cut off.
_SAFE: dict[str, Any] = {
    "resolve_entities": "internal",
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "recover": False,
}


class MalformedBankFile(Invalid):
    code = "malformed_bank_file"
    title = "Malformed bank file"
    description = (
        "The file is not a message of ISO 20022 that we read, it is damaged, or something in it can't be right. We "
        "took nothing from it."
    )
    remedy = (
        "Download the file from your bank again and send it unchanged. If the answer stays the same, show its `detail` "
        "to the bank."
    )


Event = tuple[str, str, Element]


def events(
    file: BinaryIO,
    *,
    messages: Collection[str],
    parents: Mapping[str, Collection[str]],
    largest_bytes: int = LARGEST_FILE_BYTES,
) -> Iterator[Event]:
    """Beginnings and ends of elements, of a file with one of `messages`: (`start`, its name, the element it begins in)
    and (`end`, its name, the element itself).

    Which elements, and in which they may stand, `parents` says. When an element begins, what stands before it is there;
    when it has ended and its event was taken, it is emptied, and what stands before it goes. What stands behind an
    element may be there or not. Only the last event tells that the file is whole and, where we have its schema, valid.
    Raises MalformedBankFile.
    """
    head, opened = _opened(file, messages)
    namespace = opened.namespace or ""
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=[f"{{{namespace}}}{name}" for name in (*parents, _DOCUMENT)],
        schema=validation.schema_of(namespace),
        remove_comments=True,
        remove_pis=True,
        **_SAFE,
    )
    total = since = 0
    is_whole = False
    chunk = head
    while chunk:
        total, since = total + len(chunk), since + len(chunk)
        if total > largest_bytes:
            raise MalformedBankFile(f"The file is larger than {largest_bytes:,} bytes.")
        if since > LARGEST_ELEMENT_BYTES:
            raise MalformedBankFile(f"One element of the file is larger than {LARGEST_ELEMENT_BYTES:,} bytes.")
        _feed(parser, chunk)
        for event, element in parser.read_events():
            since = 0
            name, parent = etree.QName(element).localname, element.getparent()
            if name == _DOCUMENT and parent is None:
                is_whole = event == "end"
                continue
            if parent is None or etree.QName(parent).localname not in parents.get(name, ()):
                raise MalformedBankFile(f"{name} stands where none can be.")
            yield event, name, parent if event == "start" else element
            if event == "end":
                _forget(element)
        chunk = file.read(_CHUNK_BYTES)
    try:
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error
    if not is_whole:
        raise MalformedBankFile("The file ends in the middle.")


def message(file: BinaryIO, among: Collection[str]) -> str:
    """Which of the messages `among` begins at the start of a file, which is at its start again. Raises
    MalformedBankFile.
    """
    _, found = _opened(file, among)
    file.seek(0)
    return found.localname


class _Fed(Protocol):
    def feed(self, data: bytes) -> None: ...


def _feed(parser: _Fed, chunk: bytes) -> None:
    try:
        parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error


def _forget(element: Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


class _Beginning:
    """What a parser meets up to the second element: a document's message. Entities are declared in a document type."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def doctype(self, *_: str | None) -> None:
        raise MalformedBankFile("The file has a document type; messages of ISO 20022 have none.")

    def start(self, tag: str, _: object) -> None:
        self.tags.append(tag)

    def close(self) -> None:
        pass


def _opened(file: BinaryIO, messages: Collection[str]) -> tuple[bytes, etree.QName]:
    """The first bytes, and the name of the message, one of `messages`, that begins in them."""
    beginning = _Beginning()
    parser = etree.XMLParser(target=cast(Any, beginning), **_SAFE)
    head = b""
    while len(beginning.tags) < 2 and len(head) < _CHUNK_BYTES:
        if not (chunk := file.read(_CHUNK_BYTES - len(head))):
            break
        head += chunk
        _feed(parser, chunk)
    if len(beginning.tags) < 2:
        raise MalformedBankFile("No message of ISO 20022 begins in the file.")
    document, found = map(etree.QName, beginning.tags[:2])
    expected = document.localname == _DOCUMENT and document.namespace == found.namespace
    if not expected or found.localname not in messages or found.namespace is None:
        held = f"{document.localname[:40]}/{found.localname[:40]}"
        raise MalformedBankFile(f"The file holds {held}, not {_DOCUMENT}/{' or '.join(messages)}.")
    return head, found


def _refusal(error: etree.XMLSyntaxError) -> MalformedBankFile:
    """In the parser's words, without namespaces."""
    said = re.sub(r"\{[^}]*\}", "", str(error.msg)).replace(" (<string>, line 0)", "")
    return MalformedBankFile(f"The file is damaged or not valid: {said[:300]}")
