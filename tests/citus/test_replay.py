"""Till receipts through the API of a coalition on the cluster: the same burn, nets and books as on one node."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path

from ops.cli import DEMO_DAY
from ops.replay import generator
from tests.cluster import Cluster
from tests.e2e.conftest import Place, books


def test_it_comes_to_what_one_node_comes_to(cluster: Cluster, tmp_path: Path) -> None:
    receipts = tmp_path / "receipts.csv"
    receipts.write_text(generator.generate(day=DEMO_DAY, members=30, receipts=200, seed=7))
    spread = cluster.distributed()
    there = place(tmp_path / "cluster", COALITION_DATABASE_URL=spread, COALITION_SECRET_KEY=secrets.token_hex(32))
    with there.up():
        on_cluster = replay(there, receipts)
        code, out = there.run("ledger", "verify", "--json")
    assert code == 0, out + there.stderr[-2000:]
    assert on_cluster == replay(place(tmp_path / "one"), receipts)
    assert on_cluster["total_burn"] > 0


def replay(here: Place, receipts: Path) -> dict[str, object]:
    code, out = here.run("replay", str(receipts), "--json")
    assert code == 0, out[-2000:] + here.stderr[-2000:]
    return books(json.dumps(json.loads(out)))


def place(folder: Path, **variables: str) -> Place:
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    plain = {"COALITION_WEB_PROCESSES": "1", "COALITION_SANDBOX": "none", "COALITION_METRICS_ADDRESS": "none"}
    return Place(folder, {"COALITION_HTTP_PORT": port} | plain | variables)
