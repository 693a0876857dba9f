"""`coalition up`: engines, migrations, web, workers and cron as supervised children of one process."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import redis

from coalition.programme import Programme
from kit import embedded, logins, sandbox
from kit.errors import CoalitionError, Conflict, Unavailable
from kit.jobs import key_prefix
from kit.settings import Settings, to_environment
from kit.supervisor import LogSink, Program, Supervisor, print_line
from kit.terminal import Desk, open_database
from ops import sandbox_setup, schedule

READY_TIMEOUT_S = 60.0
STOP_WEB_S = 15.0
PORT_PATIENCE_S = 3.0
STOP_WORKER_S = 35.0  # the longest webhook attempt and its completion
OLDEST_REDIS = (6, 2)
Part = Literal["web", "workers"]


class PortTaken(Unavailable):
    code = "port_taken"
    title = "Port taken"
    description = "Another program uses the port of the web server or of the metrics."
    remedy = (
        "Stop the program that uses the port, or set COALITION_HTTP_PORT or COALITION_METRICS_ADDRESS to a free one, "
        "and start again."
    )


class RedisUnusable(Unavailable):
    code = "redis_unusable"
    title = "Redis unusable"
    description = "Redis does not answer, or it is older than 6.2."
    remedy = "Start Redis 6.2 or newer at COALITION_REDIS_URL, or unset that to use the embedded one, and start again."


class NotShared(Conflict):
    code = "not_shared"
    title = "Shared engines not set"
    description = "Several hosts share this coalition, so none of them may have engines or a secret key of its own."
    remedy = (
        "Set COALITION_DATABASE_URL, COALITION_REDIS_URL and COALITION_SECRET_KEY to the same values on every host, or "
        "start without --only."
    )


class StartFailed(Unavailable):
    code = "start_failed"
    title = "Start failed"
    description = "A part did not become ready in time."
    remedy = "Read the lines above: they say why the part failed. Remove the cause and start again."


@dataclass(frozen=True)
class Running:
    """A coalition that is up, or `only` a part: its address, the supervisor of its processes, a desk on its database.

    `sandbox` says where the one beside it is, or why there is none; `metrics` where they are told, if they are; `days`
    when its business days end.
    """

    url: str
    supervisor: Supervisor
    desk: Desk
    sandbox: str
    metrics: str
    only: Part | None
    days: str


@contextmanager
def coalition_up(wanted: Settings, *, only: Part | None = None, sink: LogSink = print_line) -> Iterator[Running]:
    """Everything up and ready for the time of the block, and all of it ended in order behind it; `only` one part of it.

    Raises NotShared, PortTaken, RedisUnusable, StartFailed, EnginesUnavailable, DatabaseUnavailable, PostgresqlTooOld,
    ProgrammeMismatch, UnknownCurrency.
    """
    if only and (wanted.embedded_database or wanted.embedded_redis or wanted.secret_key is None):
        raise NotShared(
            f"--only {only} is for one of several hosts, which share PostgreSQL, Redis and the secret key; set "
            "COALITION_DATABASE_URL, COALITION_REDIS_URL and COALITION_SECRET_KEY"
        )
    refuse_taken_ports(wanted, only=only)
    supervisor = Supervisor(sink)
    try:
        with (
            embedded.running(wanted, supervisor=supervisor) as running,
            open_database(running, migrate=True) as desk,
        ):
            chosen = desk.settings
            _check_redis(chosen)
            founded = sandbox_setup.found(desk)
            test, about = _sandbox(chosen, founded)
            served = chosen if test or chosen.is_sandbox else replace(chosen, sandbox="none")
            told, prefix = logins.for_children(served), key_prefix(str(founded.programme_id))
            for program in _programs(told, prefix, only=only):
                supervisor.start(program)
            if test is not None and only != "web":
                supervisor.start(_sandbox_program(logins.for_children(test)))
            if only != "workers":
                _wait_until_ready(chosen, supervisor)
            try:
                days = _about_days(chosen, founded)
                yield Running(address(chosen), supervisor, desk, about, _about_metrics(chosen), only, days)
            finally:
                # Our own programs first: they still need the engines to end well.
                supervisor.stop()
    finally:
        supervisor.stop()


def _sandbox(live: Settings, founded: Programme) -> tuple[Settings | None, str]:
    """The settings of the sandbox beside `live`, ready, and a line about it; whatever it lacks, live starts."""
    if live.is_sandbox:
        return None, "this coalition is a sandbox itself"
    try:
        chosen = sandbox_setup.prepare(live)
        sandbox_setup.open_books(chosen, like=founded)
    except CoalitionError as error:
        return None, f"no sandbox: {error.detail}"
    return chosen, f"its sandbox is at {address(live)}{sandbox.PATH}"


def _about_metrics(chosen: Settings) -> str:
    told = chosen.metrics_place is not None
    return f"its metrics are at http://{chosen.metrics_address}/metrics" if told else "metrics are off"


def _about_days(chosen: Settings, founded: Programme) -> str:
    unset = "" if chosen.time_zone else "; COALITION_TIME_ZONE was not set"
    return f"its business days end at midnight in {founded.time_zone}, for good since its books were opened{unset}"


def refuse_taken_ports(chosen: Settings, *, only: Part | None = None) -> None:
    """Raise PortTaken when somebody listens on an address of ours for three seconds, or nobody may.

    Not at once: the web server of a coalition that was killed just now needs a moment to notice.
    """
    deadline = time.monotonic() + PORT_PATIENCE_S
    places = [] if only == "workers" else [(chosen.http_host, chosen.http_port, "COALITION_HTTP_PORT")]
    if chosen.metrics_place is not None:
        places.append((*chosen.metrics_place, "COALITION_METRICS_ADDRESS"))
    for host, port, setting in places:
        while (fault := _bind_fault(host, port)) is not None:
            if time.monotonic() > deadline:
                raise PortTaken(f"can't listen on {host}:{port} ({fault}); set {setting}")
            time.sleep(0.1)


def _bind_fault(host: str, port: int) -> str | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def _check_redis(chosen: Settings) -> None:
    try:
        # The older protocol, or a server too old for the newer one could not even say so.
        with redis.Redis.from_url(
            str(chosen.redis_url), socket_timeout=5, socket_connect_timeout=5, protocol=2
        ) as client:
            version = str(client.info("server")["redis_version"])
    except (redis.RedisError, OSError) as error:
        raise RedisUnusable(f"Redis does not answer: {type(error).__name__}") from error
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise RedisUnusable(f"Redis 6.2 or newer is needed, this server is {version}")


def _programs(chosen: Settings, prefix: str, *, only: Part | None) -> list[Program]:
    environment = {
        **_environment(chosen),
        "RQ_KEY_PREFIX": prefix,
        # Where everybody sees the arguments of a process, a password is none of them.
        "RQ_REDIS_URL": str(chosen.redis_url),
        # macOS only: its frameworks refuse to be forked otherwise, and RQ forks for every job.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
    python = sys.executable
    web = [python, "-m", "granian", "--interface", "asginl", "--factory", "wsgi:application",
           "--host", chosen.http_host, "--port", str(chosen.http_port), "--workers", str(chosen.web_processes),
           "--backlog", "4096", "--http", "1", "--no-ws",
           "--respawn-failed-workers", "--workers-kill-timeout", "10", "--log-level", "warning"]  # fmt: skip
    cron = [python, "-m", "rq.cli", "cron", "-l", "WARNING", "ops.schedule"]
    workers = [
        Program(
            name=queue if number == 1 else f"{queue} {number}",
            argv=[python, "-m", "ops.worker", queue],
            environment=environment,
            stop_timeout_s=STOP_WORKER_S,
        )
        for queue in schedule.QUEUES
        # A worker of webhooks runs a pump at a time, so there are as many pumps as workers.
        for number in range(1, (chosen.webhook_pumps if queue == schedule.WEBHOOKS else 1) + 1)
    ]
    programs = []
    if only != "workers":
        programs += [Program(name="web", argv=web, environment=environment, stop_timeout_s=STOP_WEB_S)]
    if only != "web":
        programs += [*workers, Program(name="cron", argv=cron, environment=environment)]
    if chosen.metrics_place is not None:
        programs.append(Program(name="metrics", argv=[python, "-m", "ops.metrics"], environment=environment))
    return programs


def _sandbox_program(chosen: Settings) -> Program:
    argv = [sys.executable, "-m", "ops.sandbox_worker"]
    return Program(name="sandbox", argv=argv, environment=_environment(chosen))


def _environment(chosen: Settings) -> dict[str, str]:
    return {**to_environment(chosen), "PYTHONUNBUFFERED": "1"}


def _wait_until_ready(chosen: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if is_ready(chosen):
            return
        if failing := supervisor.failing():
            raise StartFailed(f"the coalition does not start: {failing}")
        time.sleep(0.05)
    raise StartFailed("the web server did not become ready; its lines above say why")


def is_running(chosen: Settings) -> bool:
    """Whether a coalition answers at the address of `chosen`; one that is alive and not ready is waited for."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready(chosen):
        if time.monotonic() >= deadline or not _answers(chosen, "/healthz"):
            return False
        time.sleep(0.2)
    return True


def is_ready(chosen: Settings) -> bool:
    """Whether a coalition that is ready answers at the address of `chosen`."""
    return _answers(chosen, "/readyz")


def _answers(chosen: Settings, path: str) -> bool:
    connection = http.client.HTTPConnection(_shown_host(chosen), chosen.http_port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def address(chosen: Settings) -> str:
    """Where the coalition of `chosen` is reached from this machine."""
    return f"http://{_shown_host(chosen)}:{chosen.http_port}"


def _shown_host(chosen: Settings) -> str:
    return "127.0.0.1" if chosen.http_host in ("0.0.0.0", "::") else chosen.http_host  # noqa: S104


def describe(running: Running) -> str:
    """What `coalition up` says when it is up."""
    pids = ", ".join(f"{name} {pid}" for name, pid in running.supervisor.pids().items())
    place = ", its workers only" if running.only == "workers" else f" at {running.url}, its API at {running.url}/docs"
    return (
        f"Coalition is up{place} (supervisor {os.getpid()}; {pids})\n"
        f"{running.sandbox}\n"
        f"{running.days}\n"
        f"{running.metrics}"
    )
