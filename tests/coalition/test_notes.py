"""Notes, keys, cosignatures and policies: the examples of the specifications, and what is not in their form."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from coalition.tlog import notes, policies
from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.keys import LOG, WITNESS, SigningKey, VerifierKey
from coalition.tlog.notes import Checkpoint, Note, Signature, SignatureBroken
from coalition.tlog.policies import MalformedPolicy

# The example of c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
ORIGIN = SigningKey("coalition.example/days", LOG, bytes(range(32)))
WITNESSES = [SigningKey(f"w{n}.example", WITNESS, bytes([n]) * 32) for n in range(4)]
CHECKPOINT = Checkpoint(ORIGIN.name, 3, bytes(32))


def test_the_example_of_the_specification_holds_and_fails_with_another_byte() -> None:
    key, note = VerifierKey.parse(VKEY), Note.parse(NOTE.encode())
    assert (str(key), str(note), note.signed_by([key])) == (VKEY, NOTE, {key})
    with pytest.raises(SignatureBroken):
        Note.parse(NOTE.replace("This", "That").encode()).signed_by([key])


def test_a_signature_of_another_key_counts_for_nothing() -> None:
    assert Note.parse(NOTE.encode()).signed_by([ORIGIN.verifier]) == set()


def test_a_note_may_hold_empty_lines_and_signatures_that_nobody_knows() -> None:
    note = Note.parse(b"a\n\nb\n\n\xe2\x80\x94 x AAAAAAA=\n\xe2\x80\x94 y AAAAAAA=\n")
    assert (note.text, [each.name for each in note.signatures]) == ("a\n\nb\n", ["x", "y"])


@pytest.mark.parametrize(
    "data",
    ["", "a", "a\n", "a\n\n", "a\n\n— x AAAAAAA=", "a\n\n- x AAAAAAA=\n", "a\n\n— x y AAAAAAA=\n", "a\n\n—  AAAAAAA=\n",
     "a\n\n— x+ AAAAAAA=\n", "a\n\n— x AAAAAAB=\n", "a\n\n— x AAAA\n", "a\n\n— x AAAAAA==\n", "a\n\n— x !!!!\n",
     "a\r\n\n— x AAAAAAA=\n", "a\n\n— x AAAAAAA=\n\n", "a\n\n" + "— x AAAAAAA=\n" * 101, "a" * 300_000],
)  # fmt: skip
def test_what_is_no_note_is_refused(data: str) -> None:
    with pytest.raises(MalformedLogFile):
        Note.parse(data.encode())


@pytest.mark.parametrize("data", [b"\xff\n\n", b"a\x00\n\n\xe2\x80\x94 x AAAAAAA=\n"])
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedLogFile):
        Note.parse(data)


@pytest.mark.parametrize(
    "text",
    ["a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n",
     "a\n9223372036854775808\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 43 + "=", "a\n1\n" + "A" * 42 + "B=\n",
     "a\n1\n" + "A" * 43 + "=\n\n"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedLogFile):
        Checkpoint.parse(text)


def test_a_checkpoint_may_have_lines_of_others() -> None:
    assert Checkpoint.parse(f"{CHECKPOINT}more\n") == CHECKPOINT


def test_a_cosignature_is_over_the_time_and_the_whole_text() -> None:
    witness = WITNESSES[0]
    made = notes.signature_of(str(CHECKPOINT), witness, timestamp=1679315147)
    time, signature = made.signature[:8], made.signature[8:]
    assert int.from_bytes(time, "big") == 1679315147
    public = Ed25519PublicKey.from_public_bytes(witness.verifier.public)
    public.verify(signature, f"cosignature/v1\ntime 1679315147\n{CHECKPOINT}".encode())
    later = Signature(made.name, made.key_id, (1679315148).to_bytes(8, "big") + signature)
    beyond = Signature(made.name, made.key_id, (2**63).to_bytes(8, "big") + signature)
    for changed in (later, beyond):
        with pytest.raises(SignatureBroken):
            Note(str(CHECKPOINT), (changed,)).signed_by([witness.verifier])


def test_a_log_and_a_witness_with_the_same_key_do_not_sign_for_each_other() -> None:
    log, witness = SigningKey("a", LOG, bytes(32)), SigningKey("a", WITNESS, bytes(32))
    assert log.verifier.key_id != witness.verifier.key_id
    assert notes.sign(CHECKPOINT, log).signed_by([witness.verifier]) == set()


@given(st.sampled_from([LOG, WITNESS]), st.binary(min_size=32, max_size=32))
def test_keys_are_read_as_they_are_written(type_: int, seed: bytes) -> None:
    key = SigningKey("coalition.example/a", type_, seed)
    assert SigningKey.parse(key.encoded) == key
    assert VerifierKey.parse(str(key.verifier)) == key.verifier


def test_a_changed_letter_of_a_key_is_found() -> None:
    for at, letter in enumerate(VKEY):
        with pytest.raises(MalformedLogFile):
            VerifierKey.parse(f"{VKEY[:at]}{'a' if letter != 'a' else 'b'}{VKEY[at + 1 :]}")
    with pytest.raises(MalformedLogFile) as error:
        SigningKey.parse(ORIGIN.encoded + "A")
    assert base64.b64encode(bytes([LOG]) + ORIGIN.seed).decode()[:8] not in error.value.detail


def test_a_second_signature_of_a_key_takes_the_place_of_the_first() -> None:
    first, second = (notes.signature_of(str(CHECKPOINT), WITNESSES[0], timestamp=n) for n in (1, 2))
    note = notes.sign(CHECKPOINT, ORIGIN).with_signatures([first]).with_signatures([second])
    assert note.signatures[1:] == (second,)


def policy(*more: str) -> policies.Policy:
    lines = [f"log {ORIGIN.verifier} https://coalition.example/days", "", " # ours"]
    lines += [f"witness W{n}\t{key.verifier}" for n, key in enumerate(WITNESSES)]
    return policies.parse("\n".join([*lines, *more]).encode() + b"\n")


@pytest.mark.parametrize(
    ("lines", "enough", "too_few"),
    [
        (["quorum none"], [set()], []),
        (["quorum W1"], [{"W1"}, {"W0", "W1"}], [set(), {"W0"}]),
        (["group g 2 W0 W1 W2", "quorum g"], [{"W0", "W2"}, {"W0", "W1", "W2"}], [{"W0", "W3"}, {"W1"}]),
        (["group a any W0 W1", "group b all W2 W3", "group g all a b", "quorum g"], [{"W1", "W2", "W3"}],
         [{"W0", "W1"}, {"W2", "W3"}, {"W0", "W3"}]),
    ],
)  # fmt: skip
def test_a_quorum_is_met_by_whom_it_names(lines: list[str], enough, too_few) -> None:
    found = policy(*lines)
    assert all(found.is_met(each) for each in enough)
    assert not any(found.is_met(each) for each in too_few)


@pytest.mark.parametrize(
    "lines",
    [[], ["quorum nobody"], ["quorum W0", "quorum W1"], ["group g 0 W0", "quorum g"], ["group g 3 W0 W1", "quorum g"],
     ["group g any", "quorum none"], ["group g any W0 W0", "quorum g"], ["group W0 any W1", "quorum W0"],
     ["group g any h", "group h any W0", "quorum g"], ["group none any W0", "quorum none"],
     ["group a any W0", "group b any W0", "quorum a"], [f"log {WITNESSES[0].verifier}", "quorum none"],
     [f"witness X {ORIGIN.verifier}", "quorum none"], [f"witness X {WITNESSES[0].verifier}", "quorum none"],
     [f"log {ORIGIN.verifier}", "quorum none"], ["log x", "quorum none"], ["hello", "quorum none"],
     ["quorum none\r"], ["#" * 70_000, "quorum none"], ["\n" * 600, "quorum none"]],
)  # fmt: skip
def test_what_is_no_policy_is_refused(lines: list[str]) -> None:
    with pytest.raises(MalformedPolicy):
        policy(*lines)


def test_a_policy_names_the_line_that_is_wrong() -> None:
    with pytest.raises(MalformedPolicy, match="line 8: nobody is not defined before"):
        policy("quorum nobody")
