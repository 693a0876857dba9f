"""The tree of the log: against a plain recursion of RFC 6962, against known roots, and against what is not so."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalition.tlog import merkle, tiles
from coalition.tlog.encoding import MalformedLogFile

LEAVES = [bytes([n % 256, n // 256]) for n in range(700)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]

# The roots of the first n of these leaves, as implementations of RFC 6962 compare themselves by.
INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def test_the_roots_are_those_that_everybody_knows() -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(each)) for each in INPUTS]
    assert tuple(merkle.root(hashes[:size]).hex() for size in range(1, 9)) == ROOTS
    assert merkle.root([]) == merkle.EMPTY == plain_root([])


@given(st.integers(0, 700))
def test_a_root_is_what_the_plain_recursion_says(size: int) -> None:
    assert merkle.root(HASHES[:size]) == plain_root(LEAVES[:size])


@given(st.data())
def test_each_leaf_is_proven_at_its_place_and_nowhere_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    path, root = merkle.inclusion(HASHES[:size], index), merkle.root(HASHES[:size])
    assert merkle.root_by_inclusion(HASHES[index], index, size, path) == root
    if other != index:
        assert merkle.root_by_inclusion(HASHES[index], other, size, path) != root
        assert merkle.root_by_inclusion(HASHES[other], index, size, path) != root
    assert merkle.root_by_inclusion(HASHES[index], index, size, [*path, bytes(32)]) != root
    assert not path or merkle.root_by_inclusion(HASHES[index], index, size, path[:-1]) != root
    for outside in (-1, size):
        assert merkle.root_by_inclusion(HASHES[index], outside, size, path) is None


@given(st.data())
def test_a_tree_is_proven_to_begin_with_each_of_its_beginnings_and_with_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    old = data.draw(st.integers(0, size))
    proof = merkle.consistency(HASHES[:size], old)
    before, after = merkle.root(HASHES[:old]), merkle.root(HASHES[:size])
    assert merkle.is_consistent(old, before, size, after, proof)
    assert not merkle.is_consistent(old, bytes(32), size, after, proof)
    assert not merkle.is_consistent(old, before, size, after, [*proof, bytes(32)])
    if old:
        assert not merkle.is_consistent(old, before, size, bytes(32), proof)
        assert not merkle.is_consistent(size + 1, before, size, after, proof)
    if 0 < old < size:
        assert not merkle.is_consistent(old, before, size, after, [])
        changed = data.draw(st.integers(0, len(proof) - 1))
        broken = [bytes(32) if n == changed else each for n, each in enumerate(proof)]
        assert not merkle.is_consistent(old, before, size, after, broken)
        fork = [*HASHES[: old - 1], bytes(32), *HASHES[old:size]]
        assert not merkle.is_consistent(old, before, size, merkle.root(fork), merkle.consistency(fork, old))


@given(st.integers(0, 700), st.integers(0, 700))
def test_tiles_are_what_the_definition_says_however_often_one_publishes_between(size: int, before: int) -> None:
    before = min(size, before)
    files = dict(tiles.new(LEAVES[:before], before=0))
    for name, content in tiles.new(LEAVES[:size], before=before):
        assert files.get(name, content) == content, "what is there is never written with another content"
        files[name] = content
    for level in range(3):
        count = size >> 8 * level
        for number in range(-(-count // 256)):
            width = min(256, count - number * 256)
            spans = [(n << 8 * level, (n + 1) << 8 * level) for n in range(number * 256, number * 256 + width)]
            assert files[tiles.path(level, number, width)] == b"".join(plain_root(LEAVES[a:b]) for a, b in spans)
    assert tiles.read_hashes(size, files.__getitem__) == HASHES[:size]
    bundles = b"".join(files[tiles.path("entries", n, min(256, size - n * 256))] for n in range(-(-size // 256)))
    assert bundles == b"".join(b"\x00\x02" + leaf for leaf in LEAVES[:size])
    partial = {name for name in files if ".p/" in name}
    kept = {name for name in partial if not any(name.startswith(gone) for gone in tiles.superseded(size))}
    assert all(tiles.path(level, 0) not in files or f"tile/{level}/000.p/" not in "".join(kept) for level in range(3))


def test_a_tile_lies_where_the_specification_says() -> None:
    assert tiles.path(3, 1234067, 17) == "tile/3/x001/x234/067.p/17"
    assert [tiles.path("entries", n) for n in (0, 999, 1000)] == [
        "tile/entries/000", "tile/entries/999", "tile/entries/x001/000",
    ]  # fmt: skip


def test_a_log_of_more_leaves_than_a_log_of_days_has_is_not_read() -> None:
    with pytest.raises(MalformedLogFile):
        tiles.read_hashes(2**40, lambda _: b"")
