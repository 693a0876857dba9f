"""Territories: a country (ISO 3166-1), a part of one (ISO 3166-2), or `*` for everywhere. Pure, without I/O."""

from __future__ import annotations

from functools import cache

import pycountry

EVERYWHERE = "*"


@cache
def countries() -> frozenset[str]:
    """The countries there are, by their two letters."""
    return frozenset(country.alpha_2 for country in pycountry.countries)


@cache
def _parts() -> frozenset[str]:
    return frozenset(part.code for part in pycountry.subdivisions)


def is_territory(code: str) -> bool:
    """Whether `code` is a territory: `*`, a country such as GB, or a part of one such as GB-SCT.

    A mistyped one, such as UK for GB or GB-SCO for GB-SCT, would meet nothing and make an exclusive clause void.
    """
    return code == EVERYWHERE or code in countries() or code in _parts()


def is_place(code: str) -> bool:
    """Whether `code` is a territory something can stand in: a country or a part of one."""
    return code != EVERYWHERE and is_territory(code)


def contains(whole: str, part: str) -> bool:
    """Whether the territory `whole` is `part`, or `part` lies in it."""
    return whole in (EVERYWHERE, part) or part.startswith(f"{whole}-")
