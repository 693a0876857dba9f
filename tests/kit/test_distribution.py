"""Without Citus nothing is distributed, and it is said plainly; tests/citus has what happens with it."""

from __future__ import annotations

import pytest

from kit import schema
from migrations import sources
from tests.cluster import COORDINATOR
from tests.conftest import World


@pytest.mark.skipif(COORDINATOR is not None, reason="the run has a cluster")
def test_without_the_extension_it_says_so_and_changes_nothing(world: World) -> None:
    if world.count("pg_available_extensions WHERE name = 'citus'"):
        pytest.skip("this server offers the extension")
    reports: list[str] = []
    with pytest.raises(schema.CitusMissing, match="does not offer the Citus extension"):
        schema.distribute(str(world.settings.database_url), report=reports.append)
    assert reports == []
    assert world.count("pg_extension WHERE extname = 'citus'") == 0


def test_one_function_writes_transactions() -> None:
    writers = [each.name for each in sources.functions() if "INSERT INTO coalition.txn" in each.definition]
    assert writers == ["coalition.ledger_write"]
