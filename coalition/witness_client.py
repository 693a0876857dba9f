"""Ask witnesses over HTTP to cosign a checkpoint: `add-checkpoint` of c2sp.org/tlog-witness."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from coalition import witnesses
from coalition.tlog.encoding import MalformedLogFile, number_of, text_of
from coalition.tlog.notes import Note, Signature
from coalition.tlog.policies import Witness
from coalition.witnesses import Request, WitnessRefuses
from kit.errors import Unavailable

TIMEOUT_S = 10.0
LARGEST_ANSWER_BYTES = 64 * 1024
OK, CONFLICT = 200, 409
_CONNECTIONS = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}


class WitnessUnavailable(Unavailable):
    code = "witness_unavailable"
    title = "Witness unavailable"
    description = "The witness does not answer, or answers something that is no answer of a witness."
    remedy = "Check the address in the policy, and try again later. The log is published all the same."


@dataclass(frozen=True)
class _Answer:
    status: int
    body: str


def ask(witness: Witness, note: Note, hashes: Sequence[bytes]) -> Signature:
    """The witness's cosignature of `note`, verified; raises WitnessRefuses, WitnessUnavailable.

    We keep no account of what each witness saw: it says so when it is asked from 0 on, and is asked again from there.
    """
    answer = _post(witness, witnesses.request_for(note, hashes, old_size=0))
    if answer.status == CONFLICT:
        seen = _number(witness, answer.body)
        if seen > len(hashes):
            raise WitnessRefuses(
                f"rolled back: {witness.name} saw {seen} leaves, and this checkpoint has {len(hashes)}"
            )
        answer = _post(witness, witnesses.request_for(note, hashes, old_size=seen))
    if answer.status != OK:
        said = " ".join(answer.body.split())[:200]
        raise WitnessRefuses(f"{witness.name} answers {answer.status}{f': {said}' if said else ''}")
    return cosignature(witness, note, answer.body)


def cosignature(witness: Witness, note: Note, lines: str) -> Signature:
    """The signature of `witness` on `note` among `lines`; raises WitnessUnavailable, SignatureBroken."""
    try:
        found = [each for each in map(Signature.parse, lines.splitlines()) if each.is_by(witness.key)]
    except MalformedLogFile as error:
        raise WitnessUnavailable(f"{witness.name} answers no signatures: {error.detail}") from None
    if not found:
        raise WitnessUnavailable(f"{witness.name} answers no signature of the key that the policy has for it")
    Note(note.text, tuple(found)).signed_by([witness.key])
    return found[0]


def _number(witness: Witness, body: str) -> int:
    try:
        return number_of(body.removesuffix("\n"), what="the size")
    except MalformedLogFile:
        raise WitnessUnavailable(f"{witness.name} answers 409 and no size") from None


def _post(witness: Witness, request: Request) -> _Answer:
    """One request, which follows no redirection: the policy says where the witness is."""
    try:
        url = urlsplit(witness.url or "")
        if url.scheme not in _CONNECTIONS or not url.hostname:
            raise WitnessUnavailable(f"{witness.name} has no address of http or https in the policy")
        with closing(_CONNECTIONS[url.scheme](url.hostname, url.port, timeout=TIMEOUT_S)) as connection:
            connection.request("POST", f"{url.path.rstrip('/')}/add-checkpoint", str(request).encode())
            response = connection.getresponse()
            body = response.read(LARGEST_ANSWER_BYTES + 1)
        return _Answer(response.status, text_of(body, what="the answer", longest=LARGEST_ANSWER_BYTES))
    except (OSError, ValueError, http.client.HTTPException, MalformedLogFile) as error:
        raise WitnessUnavailable(f"{witness.name} does not answer: {error}") from None
