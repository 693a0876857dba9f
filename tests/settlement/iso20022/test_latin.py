"""Names in the characters that banks take."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.iso20022.latin import is_id, latin


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ООО «Ромашка»", "OOO 'Romashka'"),
        ("Ёжик & Щука", "Ezhik + Shchuka"),
        ("АО ЩУКА", "AO SHCHUKA"),
        ("Подъёмная Вьюга", "Podieemnaia Viuga"),
        ("Київська їжа", "Kiivska izha"),
        ("Müller-Lüdenscheidt Straße", "Muller-Ludenscheidt Strasse"),
        ("Société Générale", "Societe Generale"),
        ("Łódź Ærø Þór", "Lodz Aero Thor"),
        ("İstanbul ışık", "Istanbul isik"),
        ("Αθήνα", "Athina"),
        ("e\u0301te\u0301 и\u0306", "ete i"),
        ("a\u200bb\u0000c", "abc"),
        ("  many \n\t spaces\u00a0here ", "many spaces here"),
        ("A_B [C] {D} <E> #panic[x]", "A-B (C) (D) (E) .panic(x)"),
        ("½ of №5 – 3 €", "1/2 of No5 - 3 EUR"),
        ("\u00af0 1\u00b4", "0 1'"),  # a sign that is a space with something above it
        ("漢字 K.K.", ".. K.K."),
        ("漢字", ""),
        ("«»", ""),
        ("", ""),
    ],
)
def test_names_are_put_into_latin_letters(name: str, written: str) -> None:
    assert latin(name, longest=70) == written


@given(st.text(max_size=200), st.integers(1, 140))
def test_whatever_comes_in_only_allowed_characters_come_out_within_the_length(text: str, longest: int) -> None:
    written = latin(text, longest=longest)
    assert re.fullmatch(r"[A-Za-z0-9/?:().,'+ -]*", written)
    assert len(written) <= longest
    assert written == latin(written, longest=longest)


@given(st.text("ABCabc012/-?:().,'+", min_size=1, max_size=40))
def test_what_can_be_an_id_is_written_as_it_is(text: str) -> None:
    expected = len(text) <= 35 and not text.startswith("/") and not text.endswith("/") and "//" not in text
    assert is_id(text, longest=35) is expected


@pytest.mark.parametrize("text", ["", " ", "a ", " a", "a_b", "é", "a\n", "a" * 36])
def test_what_can_be_no_id_is_not_rewritten(text: str) -> None:
    assert not is_id(text, longest=35)
