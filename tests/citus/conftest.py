"""What only a cluster shows. Without one nothing here runs, and that is said."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.settings import Settings
from tests.cluster import COORDINATOR, Cluster
from tests.conftest import World, found

NOT_RUN = "CITUS_URL names no cluster: nothing was tried on Citus (`.ci/run` starts one)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "citus" in item.path.parts and COORDINATOR is None:
            item.add_marker(pytest.mark.skip(reason=NOT_RUN))


@pytest.fixture
def cluster(nodes: Cluster | None) -> Cluster:
    """The cluster of this run."""
    assert nodes is not None
    return nodes


@pytest.fixture
def own_world(
    engines: Settings, cluster: Cluster, fresh_database: Callable[[], str], tmp_path: Path
) -> Iterator[World]:
    """A coalition on a database of its own: for tests that leave something in it."""
    made = found(engines, fresh_database(), tmp_path)
    yield made
    made.database.close()
    with warnings.catch_warnings():
        # A pool that was given up because its server died leaves the sessions that were out to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    cluster.drop(str(made.settings.database_url))
