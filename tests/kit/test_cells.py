"""What somebody named themselves is text in every spreadsheet."""

from __future__ import annotations

from datetime import date

import pytest

from kit.cells import plain, table


@pytest.mark.parametrize(
    "name",
    [
        '=HYPERLINK("https://evil.example")',
        "+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "＝1",
        "﹦1",
        "−1",
        "|calc",
        "\u200b=1",
        "\u00a0=1",
        "\tx",
    ],
)
def test_what_begins_a_formula_is_made_text(name: str) -> None:
    assert plain(name) == f"'{name}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("x;=1+1", "x;'=1+1"), ("x\t+1", "x\t'+1"), ("x\n@1", "x\n'@1"), ("x; -1;y", "x;' -1;y"), ("x|=1", "x|'=1")],
)
def test_what_is_a_cell_of_its_own_in_another_locale_is_made_text(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_every_text_in_a_table_is_quoted_and_no_number() -> None:
    made = table([("name", "points"), ('x;"=1', -5), ("=1", 0), (date(2026, 3, 2), "")])
    assert made == '"name","points"\r\n"x;""=1",-5\r\n"\'=1",0\r\n"2026-03-02",""\r\n'


@pytest.mark.parametrize("name", ["Greengrocer", "A+B", "Ann's", "", "3 = 4"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert plain(name) == name
