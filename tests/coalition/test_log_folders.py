"""The published log is static files that are never contradicted, whoever is killed, and whatever books come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalition import log_folders
from coalition.log_folders import LogContradicted, NothingPublished
from coalition.tlog import merkle, notes
from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.keys import LOG, WITNESS, SigningKey
from coalition.tlog.notes import SignatureBroken

KEY = SigningKey("coalition.example/days", LOG, bytes(range(32)))
OTHER = SigningKey("coalition.example/days", LOG, bytes(32))
WITNESS_KEY = SigningKey("w.example", WITNESS, bytes(32))
LEAVES = [f"leaf {n}".encode() for n in range(600)]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What is served, with when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_what_is_published_is_a_log_that_grows(tmp_path: Path) -> None:
    for size in (0, 1, 2, 255, 256, 257, 511, 512, 600):
        made = log_folders.publish(tmp_path, LEAVES[:size], KEY)
        found = log_folders.read(tmp_path)
        assert (found.checkpoint, len(found.hashes)) == (made, size)
        assert found.note.signed_by([KEY.verifier]) == {KEY.verifier}
    assert sorted(name for name in contents(tmp_path) if "/0" in name) == [
        "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
    ]  # fmt: skip


def test_a_second_run_writes_nothing_and_a_later_one_no_full_tile_again(tmp_path: Path) -> None:
    log_folders.publish(tmp_path, LEAVES[:300], KEY)
    published = log_folders.read(tmp_path)
    cosigned = notes.signature_of(published.note.text, WITNESS_KEY, timestamp=1)
    log_folders.add_signatures(tmp_path, [cosigned], to=published.note)
    before = contents(tmp_path)
    log_folders.publish(tmp_path, LEAVES[:300], KEY)
    assert contents(tmp_path) == before, "cosignatures stay, too"
    log_folders.publish(tmp_path, LEAVES, KEY)
    after = contents(tmp_path)
    assert {name: after[name] for name in before if name.endswith("/000")} == {
        name: each for name, each in before.items() if name.endswith("/000")
    }
    with pytest.raises(LogContradicted, match="another checkpoint was published meanwhile"):
        log_folders.add_signatures(tmp_path, [cosigned], to=published.note)


@pytest.mark.parametrize(
    ("leaves", "key", "says"),
    [
        (LEAVES[:9], KEY, "holds 10 days and these books have 9: they were restored"),
        ([*LEAVES[:9], b"x"], KEY, "the 10 days in .* are not the first 10 of these books"),
        ([b"x", *LEAVES[1:20]], KEY, "are not the first 10"),
        (LEAVES[:20], OTHER, "does not hold|is not signed with this key"),
        (LEAVES[:20], SigningKey("other.example", LOG, bytes(32)), "holds the log coalition.example/days, and this"),
    ],
)  # fmt: skip
def test_what_contradicts_the_published_log_is_refused_and_nothing_is_written(
    tmp_path: Path, leaves, key, says: str
) -> None:
    log_folders.publish(tmp_path, LEAVES[:10], KEY)
    before = contents(tmp_path)
    with pytest.raises((LogContradicted, SignatureBroken), match=says):
        log_folders.publish(tmp_path, leaves, key)
    assert contents(tmp_path) == before


def test_a_tile_that_somebody_changed_is_not_covered_up(tmp_path: Path) -> None:
    log_folders.publish(tmp_path, LEAVES[:300], KEY)
    tile = tmp_path / "tile/0/000"
    tile.write_bytes(bytes(8192))
    with pytest.raises(MalformedLogFile, match="do not add up"):
        log_folders.read(tmp_path)
    tile.write_bytes(bytes(8191))
    with pytest.raises(MalformedLogFile, match="has 8191 bytes instead of 8192"):
        log_folders.read(tmp_path)
    (tmp_path / "tile/0/001.p/45").unlink(missing_ok=True)
    (tmp_path / "tile/0/001.p/45").write_bytes(b"x")
    with pytest.raises(LogContradicted, match="is there and holds something else"):
        log_folders.publish(tmp_path, LEAVES[:301], KEY)


def test_a_folder_without_a_log_and_a_key_of_a_witness_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingPublished):
        log_folders.read(tmp_path)
    with pytest.raises(MalformedLogFile, match="is a witness's"):
        log_folders.publish(tmp_path, LEAVES[:1], WITNESS_KEY)
    assert list(tmp_path.iterdir()) == []


PUBLISHER = """
import os, signal, sys
from pathlib import Path
from coalition import log_folders
from tests.coalition.test_log_folders import KEY, LEAVES

left, size = map(int, sys.argv[2:])

def then_die(do):
    def done(*args, **more):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*args, **more)
    return done

Path.replace, Path.unlink = then_die(Path.replace), then_die(Path.unlink)
log_folders.publish(Path(sys.argv[1]), LEAVES[:size], KEY)
"""


def test_a_publisher_killed_at_any_step_leaves_a_whole_log_and_the_next_goes_on(tmp_path: Path) -> None:
    log_folders.publish(tmp_path / "never", LEAVES[:255], KEY)
    log_folders.publish(tmp_path / "never", LEAVES[:520], KEY)
    due = {name: content for name, (content, _) in contents(tmp_path / "never").items()}
    log_folders.publish(tmp_path / "killed", LEAVES[:255], KEY)
    for step in range(60):
        dies_before = "2" if step else "1"  # each gets one step further than the one before
        done = subprocess.run(
            [sys.executable, "-c", PUBLISHER, str(tmp_path / "killed"), dies_before, "520"],
            cwd=Path(__file__).parents[2], capture_output=True, check=False,
        )  # fmt: skip
        found = log_folders.read(tmp_path / "killed")
        assert found.checkpoint.size in (255, 520), step
        assert (
            merkle.root([merkle.leaf_hash(leaf) for leaf in LEAVES[: found.checkpoint.size]]) == found.checkpoint.root
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert step > 5, "it was killed at each of its steps"
    assert {name: content for name, (content, _) in contents(tmp_path / "killed").items()} == due


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_place_of_a_checkpoint_is_read_or_refused(tmp_path_factory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("days")
    (folder / "checkpoint").write_bytes(content)
    with pytest.raises(MalformedLogFile):
        log_folders.read(folder)
