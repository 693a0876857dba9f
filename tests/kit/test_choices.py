"""Which fields a body has: what is checked is what is described."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.http.choices import Choice

CHOICES = [
    Choice(("a", "b"), "one"),
    Choice(("a", "b"), "at most one", may_be_left_out=True),
    Choice(("a", "b", "c"), "some", may_be_many=True),
    Choice(("a", "b"), "one, or a scanned code", or_else=("code", r"\.")),
]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.message)
@given(
    data=st.fixed_dictionaries(
        {}, optional={name: st.just("x") for name in "abcd"} | {"code": st.sampled_from(["12", "1.2"])}
    )
)
def test_the_check_and_the_json_schema_agree(choice: Choice, data: dict[str, str]) -> None:
    described = jsonschema.Draft202012Validator(choice.as_json_schema())
    assert choice.allows(data) == described.is_valid(data)


def test_one_is_one() -> None:
    one = CHOICES[0]
    assert [one.allows(dict.fromkeys(names)) for names in ("", "a", "ab", "c")] == [False, True, False, False]
