"""What somebody named themselves is text in every spreadsheet."""

from __future__ import annotations

import pytest

from kit.cells import plain


@pytest.mark.parametrize("name", ['=HYPERLINK("https://evil.example")', "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_what_begins_a_formula_is_made_text(name: str) -> None:
    assert plain(name) == f"'{name}"


@pytest.mark.parametrize("name", ["Greengrocer", "A+B", "Ann's", "", "3 = 4"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert plain(name) == name
