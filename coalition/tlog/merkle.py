"""The Merkle tree of a log (RFC 6962, section 2.1): its root, proofs that a leaf is in it, and that it only grew.

Hashes are SHA-256, 32 bytes. Leaves are given by their hashes, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()  # the root of a tree without leaves


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's content."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of what stands over two hashes."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash over the leaves with these hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY
    split = _split(len(hashes))
    return node_hash(root(hashes[:split]), root(hashes[split:]))


def inclusion(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index`, the leaf's sibling first (RFC 6962, section 2.1.1)."""
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    if index < split:
        return [*inclusion(hashes[:split], index), root(hashes[split:])]
    return [*inclusion(hashes[split:], index - split), root(hashes[:split])]


def consistency(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree of the first `old_size` leaves is the beginning of this one (section 2.1.2)."""
    return _subproof(hashes, old_size, is_known=True) if 0 < old_size < len(hashes) else []


def _subproof(hashes: Sequence[bytes], old_size: int, *, is_known: bool) -> list[bytes]:
    if old_size == len(hashes):
        return [] if is_known else [root(hashes)]
    split = _split(len(hashes))
    if old_size <= split:
        return [*_subproof(hashes[:split], old_size, is_known=is_known), root(hashes[split:])]
    return [*_subproof(hashes[split:], old_size - split, is_known=False), root(hashes[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def root_by_inclusion(hashed: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root of a tree of `size` leaves that has the leaf `hashed` at `index` (RFC 9162, section 2.1.3.2).

    None where `path` can't be one of that place, whatever it holds.
    """
    if not 0 <= index < size:
        return None
    node, last, found = index, size - 1, hashed
    for hash_ in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            found = node_hash(hash_, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        node, last = node >> 1, last >> 1
    return found if last == 0 else None


def is_consistent(old_size: int, old_root: bytes, size: int, root_: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of `size` begins with that of `old_size` (RFC 9162, section 2.1.4.2)."""
    if old_size == 0:
        return not path and old_root == EMPTY
    if old_size >= size:
        return old_size == size and not path and old_root == root_
    rest = list(path)
    if old_size & (old_size - 1) == 0:  # a whole subtree: its root is known, and so left out of the proof
        rest.insert(0, old_root)
    if not rest:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = rest[0]
    for hash_ in rest[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == root_
