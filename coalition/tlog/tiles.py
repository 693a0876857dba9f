"""A log as static files (c2sp.org/tlog-tiles): which ones there are, what is in them, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from coalition.tlog import merkle
from coalition.tlog.encoding import HASH_BYTES, MalformedLogFile

WIDTH = 256
CHECKPOINT = "checkpoint"
MOST_LEAVES = 1 << 20  # of a log with a leaf a day; what is larger is none of ours
LONGEST_ENTRY_BYTES = 2**16 - 1
ENTRIES = "entries"


def path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Where tile `number` of `level` lies, or of the entries; a partial one holds `width` hashes."""
    shown = f"{number:03}"
    shown = shown.zfill(-(-len(shown) // 3) * 3)
    *above, last = [shown[at : at + 3] for at in range(0, len(shown), 3)]
    folders = "".join(f"x{each}/" for each in above)
    return f"tile/{level}/{folders}{last}" + (f".p/{width}" if width < WIDTH else "")


def new(entries: Sequence[bytes], *, before: int) -> Iterator[tuple[str, bytes]]:
    """The files of a log of these entries that one of the first `before` doesn't have: their paths and contents."""
    for number, of_tile in _tiles(len(entries), before):
        some = entries[number * WIDTH : number * WIDTH + of_tile]
        yield path(ENTRIES, number, of_tile), b"".join(len(each).to_bytes(2, "big") + each for each in some)
    hashes, level = [merkle.leaf_hash(each) for each in entries], 0
    while hashes:
        for number, of_tile in _tiles(len(hashes), before >> 8 * level):
            yield path(level, number, of_tile), b"".join(hashes[number * WIDTH : number * WIDTH + of_tile])
        whole = range(0, len(hashes) + 1, WIDTH)
        hashes, level = [merkle.root(hashes[low:high]) for low, high in pairwise(whole)], level + 1


def _tiles(size: int, before: int) -> Iterator[tuple[int, int]]:
    """The tiles of a level of `size` hashes that weren't full with the first `before`: their numbers and widths."""
    if size > before:
        for low in range(before // WIDTH * WIDTH, size, WIDTH):
            yield low // WIDTH, min(size - low, WIDTH)


def superseded(size: int) -> Iterator[str]:
    """The folders of partial tiles that full ones have taken the place of, in a log of `size` leaves."""
    level: int | str
    for level in (ENTRIES, *range(8)):
        for number in range((size if level == ENTRIES else size >> 8 * int(level)) // WIDTH):
            yield f"{path(level, number)}.p"


def read_hashes(size: int, read: Callable[[str], bytes]) -> list[bytes]:
    """The hashes of all leaves, out of the tiles of level 0, which `read` gives by their paths.

    Raises MalformedLogFile; whether they are those of a checkpoint, their root says.
    """
    if size > MOST_LEAVES:
        raise MalformedLogFile(f"the log says it has {size} leaves; more than {MOST_LEAVES} are not read")
    found: list[bytes] = []
    for number, width in _tiles(size, 0):
        name = path(0, number, width)
        if len(tile := read(name)) != width * HASH_BYTES:
            raise MalformedLogFile(f"{name} has {len(tile)} bytes instead of {width * HASH_BYTES}")
        found += [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
    return found
