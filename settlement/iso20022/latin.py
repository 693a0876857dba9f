"""The characters that banks take (SEPA's Latin set), and other writing as these.

After the European Payments Council's EPC217-08, whose conversion of accents and signs this follows; Cyrillic as in
Russian and Ukrainian passports (ICAO 9303), Greek as in Greek ones (ISO 843). What nothing stands for becomes a full
stop, as it says there.
"""

from __future__ import annotations

import re
import unicodedata

_ALLOWED = re.compile(r"[A-Za-z0-9/?:().,'+ -]")
_ID = re.compile(r"[A-Za-z0-9?:().,'+-]([A-Za-z0-9/?:().,'+ -]*[A-Za-z0-9?:().,'+-])?")

_LETTERS = """
а=a б=b в=v г=g д=d е=e ё=e ж=zh з=z и=i й=i к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch ш=sh щ=shch ъ=ie
ы=y ь= э=e ю=iu я=ia є=ie і=i ї=i ґ=g ў=u
α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s ς=s τ=t υ=y φ=f χ=ch ψ=ps ω=o
ß=ss æ=ae œ=oe ø=o đ=d ð=d þ=th ł=l ħ=h ı=i ŋ=n
"""
_SIGNS = """
‘=' ’=' ‚=' ‛=' “=' ”=' „=' «=' »=' ‹=' ›=' "=' `=' ´=' ‐=- ‑=- ‒=- –=- —=- ―=- −=- _=- ~=- [=( {=( <=( ]=) }=) >=)
\\=/ |=/ ⁄=/ &=+ ;=, €=EUR £=GBP ₽=RUB $=USD №=No
"""


def _table() -> dict[str, str]:
    small = {pair[0]: pair[2:] for pair in _LETTERS.split()}
    large = {letter.upper(): written.capitalize() for letter, written in small.items()}
    return {**large, **small, **{pair[0]: pair[2:] for pair in _SIGNS.split()}}


_TABLE = _table()


def latin(text: str, *, longest: int) -> str:
    """`text` in the characters that banks take, spaces set right, cut to `longest` characters.

    Empty where nothing in it can be read: neither a letter nor a digit.
    """
    words = " ".join(map(_written, unicodedata.normalize("NFC", text).split())).split()
    kept = " ".join(words)[:longest].rstrip()
    return kept if re.search(r"[A-Za-z0-9]", kept) else ""


def is_id(text: str, *, longest: int) -> bool:
    """Whether `text` can be an identification: those are given by us and never rewritten."""
    return len(text) <= longest and "//" not in text and _ID.fullmatch(text) is not None


def _written(word: str) -> str:
    """A word in capitals stays one: ЩУКА is SHCHUKA, and Щука Shchuka."""
    written = "".join(map(_converted, word))
    return written.upper() if word.isupper() and sum(map(str.isalpha, word)) > 1 else written


def _converted(character: str) -> str:
    if _ALLOWED.match(character):
        return character
    if (known := _TABLE.get(character)) is not None:
        return known
    # Taken apart (é is e and an accent) and each part looked up: letters stay; what marks or steers them goes.
    parts = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part)[0] not in "CM"]
    return "".join(part if _ALLOWED.match(part) else _TABLE.get(part, ".") for part in parts)
