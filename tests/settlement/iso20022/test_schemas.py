"""The schemas are those that ISO published, as its document says where they are from."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

from settlement.iso20022 import validation

SCHEMAS = Path(str(resources.files("settlement.iso20022").joinpath("schemas")))
PACKAGES = {
    "pain.001.001.09": ("sepaxml", "schemas"),  # a judge of our payment files too, so it is always at hand
    "camt.053.001.08": ("camt053", "xsd"),
    "camt.054.001.08": ("camt053", "xsd"),
}


def test_the_schemas_are_those_that_their_document_lists() -> None:
    listed = dict(re.findall(r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$", (SCHEMAS / "README.md").read_text("utf-8"), re.M))
    assert listed == {path.name: sha256(path.read_bytes()).hexdigest() for path in SCHEMAS.glob("*.xsd")}
    assert listed.keys() == {f"{message}.xsd" for message in validation.MESSAGES}


@pytest.mark.parametrize("message", PACKAGES)
def test_a_schema_is_the_same_as_in_the_package_that_carries_it(message: str) -> None:
    package, folder = PACKAGES[message]
    if (spec := find_spec(package)) is None or spec.origin is None:
        assert package != "sepaxml"
        pytest.skip(f"{package} is not installed")
    assert (SCHEMAS / f"{message}.xsd").read_bytes() == (
        Path(spec.origin).parent / folder / f"{message}.xsd"
    ).read_bytes()


@pytest.mark.parametrize("message", validation.MESSAGES)
def test_each_schema_can_be_loaded_and_is_found_by_its_namespace(message: str) -> None:
    assert validation.schema_of(validation.NAMESPACE + message) is validation.schema(message)
    assert validation.schema_of(validation.NAMESPACE + message[:-1]) is None
