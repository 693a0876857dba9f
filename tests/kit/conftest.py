"""What a coalition stands on: here its schema, its logins and its keys are changed."""

from __future__ import annotations

import pytest

from tests.conftest import World


@pytest.fixture
def world(own_world: World) -> World:
    """A coalition on a database of its own."""
    return own_world
