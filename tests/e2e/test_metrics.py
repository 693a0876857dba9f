"""A coalition of many processes, and what it tells of all of them on an address of its own."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from collections import Counter
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import free_port
from tests.e2e.conftest import Place, wait_for
from tests.e2e.test_sandbox import Api
from tests.e2e.test_sandbox import here as here
from tests.tidy.test_alerts import told


def ask(port: int) -> dict[Any, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


def test_one_answer_tells_of_every_process(here: Place) -> None:
    port = free_port()
    here.variables.update(COALITION_METRICS_ADDRESS=f"127.0.0.1:{port}", COALITION_WEB_PROCESSES="2")
    with here.up() as up:
        code, out = here.run("sandbox", "partner", "Corner Grocer", "--json")
        assert code == 0, here.stderr
        made = json.loads(out)
        api, card = Api(here, made), made["members"][0]["card"]
        wanted = [*[1] * 40, *[1_000_000] * 20]
        bodies = [{"card": card, "points": points, "reference": f"B-{n}"} for n, points in enumerate(wanted)]
        statuses = Counter(api.post("/sandbox/v1/burns", body)[0] for body in bodies)
        assert statuses == {201: 40, 409: 20}

        burns = ("coalition_http_requests_total", "coalition=sandbox", "method=POST", "route=/v1/burns")
        expected = {
            (*burns, "status=201"): 40,
            (*burns, "status=409"): 20,
            ("coalition_http_problems_total", "coalition=sandbox", "code=insufficient_points"): 20,
            ("coalition_events_total", "coalition=sandbox", "type=points.burned"): 40,
            ("coalition_database_up", "coalition=sandbox"): 1,
            ("coalition_database_up", "coalition=live"): 1,
            ("coalition_redis_up",): 1,
            ("coalition_unsettled_days", "coalition=live"): 0,
        }

        def as_expected() -> bool:
            try:
                found = ask(port)
            except OSError:  # it is on its way up
                return False
            return {name: found.get(name) for name in expected} == expected

        wait_for(as_expected)
        jobs = [f"job_name={name}" for name in ("settle_due", "post_batch_files")]
        last = "coalition_job_last_success_timestamp_seconds"
        wanted_too = {(last, f"coalition={which}", job) for which in ("live", "sandbox") for job in jobs}
        wait_for(lambda: wanted_too <= set(ask(port)))
        assert {name for name, *_ in ask(port)} - {f"{name}_created" for name in told()} <= set(told())

        connection = http.client.HTTPConnection("127.0.0.1", int(here.variables["COALITION_HTTP_PORT"]), timeout=30)
        for path in ("/metrics", "/sandbox/metrics"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
        connection.close()

        # It is a part by itself: killed, it comes back, and the counts with it.
        [part] = [each for each in up.children() if "ops.metrics" in each.cmdline()]
        part.kill()
        wait_for(lambda: not part.is_running() or part.status() == "zombie")
        wait_for(as_expected)


def test_an_address_that_is_taken_is_named_with_its_setting(here: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        here.variables.update(COALITION_METRICS_ADDRESS=address)
        assert here.run("up")[0] == 1
    assert f"can't listen on {address} (Address already in use); set COALITION_METRICS_ADDRESS" in here.stderr
