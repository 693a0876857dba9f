"""A witness cosigns what continues that which it saw, over files and HTTP, and refuses all else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from coalition import log_folders, witness_client, witnesses
from coalition.tlog import merkle, notes, policies, proofs
from coalition.tlog.encoding import MalformedLogFile, number_of
from coalition.tlog.keys import LOG, WITNESS, SigningKey
from coalition.tlog.notes import Checkpoint, Note
from coalition.tlog.policies import Policy, Witness
from coalition.witness_client import WitnessUnavailable
from coalition.witnesses import Request, Seen, State, WitnessRefuses
from tests.coalition.test_log_folders import KEY, LEAVES, OTHER, WITNESS_KEY

POLICY = policies.parse(f"log {KEY.verifier}\nwitness w {WITNESS_KEY.verifier}\nquorum w\n".encode())
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def note(hashes: list[bytes], key: SigningKey = KEY, origin: str = KEY.name) -> Note:
    return notes.sign(Checkpoint(origin, len(hashes), merkle.root(hashes)), key)


def ask(state: State, hashes: list[bytes], **changed: object) -> Note:
    seen = state.seen(KEY.name)
    request = replace(witnesses.request_for(note(hashes), hashes, old_size=seen.size), **changed)
    with state.locked():
        made = witnesses.cosign(request, policy=POLICY, key=WITNESS_KEY, state=state, timestamp=1_772_500_000)
    return request.note.with_signatures([made])


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Of a witness that saw ten leaves."""
    made = State(tmp_path / "seen.json")
    ask(made, HASHES[:10])
    return made


def test_a_log_that_grows_is_cosigned_and_the_witness_remembers_it(state: State) -> None:
    for size in (10, 11, 300, 600):
        cosigned = ask(state, HASHES[:size])
        assert cosigned.signed_by([WITNESS_KEY.verifier]) == {WITNESS_KEY.verifier}
        assert state.seen(KEY.name) == Seen(size, merkle.root(HASHES[:size]))


FORK = [*HASHES[:9], bytes(32), *HASHES[10:20]]


@pytest.mark.parametrize(
    ("hashes", "changed", "says"),
    [
        (HASHES[:9], {}, "rolled back: .* we saw 10 leaves, and this checkpoint has 9"),
        (HASHES[:9], {"old_size": 0, "proof": []}, "rolled back"),
        (FORK[:10], {}, "forked: .* another root at the same 10 leaves"),
        (FORK, {}, "forked: .* the 10 leaves that we saw are not the first"),
        (HASHES[:20], {"proof": []}, "forked"),
        (HASHES[:20], {"old_size": 0, "proof": []}, "we saw 10 leaves, and the proof is from 0 on"),
        (HASHES[:20], {"note": note(HASHES[:20], OTHER)}, "is not signed with the key"),
        (HASHES[:20], {"note": note(HASHES[:20], origin="other.example")}, "no log called other.example"),
        ([], {"note": note([bytes(32)])}, "rolled back"),
    ],
)
def test_what_does_not_continue_what_it_saw_is_refused_and_forgotten(state: State, hashes, changed, says) -> None:
    with pytest.raises(WitnessRefuses, match=says):
        ask(state, hashes, **changed)
    assert state.seen(KEY.name) == Seen(10, merkle.root(HASHES[:10]))
    assert ask(state, HASHES[:20])


def test_a_signature_that_does_not_hold_is_refused(state: State) -> None:
    broken = note(HASHES[:20])
    broken = replace(broken, text=broken.text.replace("20", "21"))
    with pytest.raises(MalformedLogFile, match="does not hold"):
        ask(state, HASHES[:20], note=broken)


def test_an_empty_log_has_one_root(tmp_path: Path) -> None:
    state = State(tmp_path / "new.json")
    ask(state, [])
    odd = notes.sign(Checkpoint(KEY.name, 0, bytes(32)), KEY)
    with pytest.raises(WitnessRefuses, match="an empty log has another root"):
        ask(state, [], note=odd)


def test_a_witness_signs_with_a_witnesss_key(state: State) -> None:
    request = witnesses.request_for(note(HASHES[:20]), HASHES[:20], old_size=10)
    with pytest.raises(MalformedLogFile, match="is a log's"):
        witnesses.cosign(request, policy=POLICY, key=KEY, state=state, timestamp=1)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": 1}', '{"a": {"size": 1}}', '{"a": {"size": 1, "root": "x"}}']
)
def test_a_state_that_cannot_be_read_is_never_begun_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "seen.json"
    path.write_text(content)
    with pytest.raises(MalformedLogFile):
        ask(State(path), HASHES[:1])
    assert path.read_text() == content


def test_two_witnesses_at_once_never_set_the_state_back(tmp_path: Path) -> None:
    refused = []

    def witness(size: int) -> None:
        state = State(tmp_path / "seen.json")
        with state.locked():
            seen = state.seen(KEY.name)
            request = witnesses.request_for(note(HASHES[:size]), HASHES[:size], old_size=seen.size)
            try:
                witnesses.cosign(request, policy=POLICY, key=WITNESS_KEY, state=state, timestamp=1)
            except WitnessRefuses:
                refused.append(size)

    threads = [threading.Thread(target=witness, args=(size,)) for size in (9, 300, 20, 600, 1, 255)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert State(tmp_path / "seen.json").seen(KEY.name).size == 600
    assert 600 not in refused


# A witness over HTTP, as c2sp.org/tlog-witness has it.


@contextmanager
def serving(state: State, policy: Policy = POLICY, answer: tuple[int, bytes] | None = None) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, said = answer or (404, b"")
            if answer is None and self.path == "/w/add-checkpoint":
                status, said = self.cosigned(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def cosigned(self, body: bytes) -> tuple[int, bytes]:
            head, _, signed = body.decode().partition("\n\n")
            old, *path = head.split("\n")
            request = Request(
                number_of(old.removeprefix("old "), what="old"), proofs.path_of(path), Note.parse(signed.encode())
            )
            assert str(request) == body.decode()
            with state.locked():
                seen = state.seen(Checkpoint.parse(request.note.text).origin)
                if seen.size != request.old_size:
                    return 409, f"{seen.size}\n".encode()
                try:
                    made = witnesses.cosign(request, policy=policy, key=WITNESS_KEY, state=state, timestamp=7)
                except WitnessRefuses as error:
                    return 422, error.detail.encode()
            return 200, str(made).encode()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/w"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def at(url: str | None) -> Witness:
    return Witness("w", WITNESS_KEY.verifier, url)


def test_a_witness_is_asked_over_http_from_where_it_stands(tmp_path: Path) -> None:
    state = State(tmp_path / "seen.json")
    with serving(state) as url:
        for size in (5, 5, 300):
            asked = note(HASHES[:size])
            made = witness_client.ask(at(url), asked, HASHES[:size])
            assert asked.with_signatures([made]).signed_by([WITNESS_KEY.verifier])
            assert state.seen(KEY.name).size == size
        with pytest.raises(WitnessRefuses, match="rolled back: w saw 300 leaves, and this checkpoint has 299"):
            witness_client.ask(at(url), note(HASHES[:299]), HASHES[:299])
        fork = [bytes(32), *HASHES[1:301]]
        with pytest.raises(WitnessRefuses, match="w answers 422: forked"):
            witness_client.ask(at(url), note(fork), fork)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, b""), "no signatures|no signature of the key"),
        ((200, b"x" * 70_000), "longer than"),
        ((200, str(notes.signature_of("other\n", KEY, timestamp=0)).encode()), "no signature of the key"),
        ((409, b"many"), "409 and no size"),
        ((409, b"1" * 30), "409 and no size"),
        ((302, b""), "answers 302"),
        ((500, b"oh\n\x01"), "control character"),
        ((503, b"later"), "answers 503: later"),
    ],
)
def test_what_is_no_answer_of_a_witness_is_said_in_a_sentence(tmp_path: Path, answer, says: str) -> None:
    with (
        serving(State(tmp_path / "s"), answer=answer) as url,
        pytest.raises((WitnessRefuses, WitnessUnavailable), match=says),
    ):
        witness_client.ask(at(url), note(HASHES[:5]), HASHES[:5])


def test_a_cosignature_over_something_else_is_not_taken(tmp_path: Path) -> None:
    other = notes.signature_of(note(HASHES[:4]).text, WITNESS_KEY, timestamp=7)
    with (
        serving(State(tmp_path / "s"), answer=(200, str(other).encode())) as url,
        pytest.raises(MalformedLogFile, match="does not hold"),
    ):
        witness_client.ask(at(url), note(HASHES[:5]), HASHES[:5])


@pytest.mark.parametrize("url", [None, "", "ftp://x", "http://127.0.0.1:1", "http://127.0.0.1:99999", "http://[x"])
def test_a_witness_that_is_not_there_is_unavailable(url: str | None) -> None:
    with pytest.raises(WitnessUnavailable):
        witness_client.ask(at(url), note(HASHES[:5]), HASHES[:5])


def test_a_partners_copy_of_the_folder_is_enough_to_witness_it(tmp_path: Path) -> None:
    log_folders.publish(tmp_path / "days", LEAVES[:300], KEY)
    published = log_folders.read(tmp_path / "days")
    state = State(tmp_path / "seen.json")
    assert ask(state, published.hashes).signed_by([WITNESS_KEY.verifier])
    assert SigningKey.parse(WITNESS_KEY.encoded).type == WITNESS != LOG
