"""Another secret key takes the place of the one in use, in three steps with all processes running.

It is *added*: both keys open the books. It is *put in place*: processes have it from their next start. The former one
is *retired*: it opens nothing more. Killed anywhere, the same command goes on, and the key that is in place opens the
books all the time. docs/decisions/0024 argues it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kit import audit, embedded, logins, root_key, sandbox, schema, secret_key
from kit.audit import Act
from kit.db import Database, connected
from kit.errors import Conflict
from kit.root_key import BooksNotOpen, Wrapping, WrongSecretKey
from kit.sandbox import NoSandbox
from kit.secret_key import SecretKey
from kit.settings import Settings
from kit.terminal import Desk

DRAFT = f"{secret_key.FILE}.new"
STANDARD_INPUT = Path("-")
LOCK = "rotation of the secret key"


class RotationRefused(Conflict):
    code = "rotation_refused"
    title = "Rotation refused"
    description = "We cannot rotate or retire the secret key like this. We changed nothing. `detail` says why."
    remedy = "Run `coalition key list` to see which keys there are, do what `detail` says, and repeat the command."


@dataclass(frozen=True)
class Coalition:
    """Live and, where there is one beside it, its sandbox, each opened as the owner with the secret key in use.

    `settings` are live's as they were given, but for the addresses of embedded engines. `file` is where the secret key
    stands; None: COALITION_SECRET_KEY gives it. `left_out` says why there is no `test`.
    """

    settings: Settings
    file: Path | None
    live: Desk
    test: Desk | None
    left_out: str

    @property
    def key(self) -> SecretKey:
        """The secret key in use."""
        return secret_key.of(self.settings)

    @property
    def desks(self) -> list[Desk]:
        """The sandbox first: what live has, all of it has."""
        return [self.test, self.live] if self.test else [self.live]

    def wrappings(self, ctx: Desk) -> list[Wrapping]:
        """Of the books of `at`, by the keys that opened them and do."""
        with ctx.database.reading() as session:
            return root_key.wrappings(session)

    def others(self, ctx: Desk) -> list[str]:
        """The keys that open the books of `at` besides the one in use."""
        mine = secret_key.of(ctx.settings).key_id
        return [each.key_id for each in self.wrappings(ctx) if each.retired_at is None and each.key_id != mine]

    @property
    def retired(self) -> set[str]:
        """The keys that open live's books no more."""
        return {each.key_id for each in self.wrappings(self.live) if each.retired_at is not None}

    @property
    def is_of_before(self) -> bool:
        """Whether the root key is a secret key itself: that of books opened before there were root keys."""
        itself = SecretKey(self.live.keyring.root, self.key.realm).key_id
        return itself in {each.key_id for each in self.wrappings(self.live)}


@contextmanager
def coalition(wanted: Settings, *, alone: bool) -> Iterator[Coalition]:
    """The coalition of `wanted`, its engines running; with `alone`, for one rotation at a time.

    Raises RotationRefused, BooksNotOpen, WrongSecretKey, and what opening a database raises.
    """
    with embedded.running(wanted) as running:
        given = secret_key.pinned(running)
        chosen = logins.resolve(given)
        if chosen.database_owner_url is None:
            raise RotationRefused("this needs the owner of the tables; set COALITION_DATABASE_OWNER_URL")
        logins.prepare(given, migrate=wanted.embedded_database)
        with _desk(chosen) as live, _lock(str(chosen.database_owner_url)) as is_alone:
            if alone and not is_alone:
                raise RotationRefused("another rotation of the secret key is running")
            with _sandbox(chosen, migrate=wanted.embedded_database) as (test, left_out):
                file = chosen.data_dir / secret_key.FILE if wanted.secret_key is None else None
                yield Coalition(given, file, live, test, left_out)


@contextmanager
def _lock(url: str) -> Iterator[bool]:
    """Whether nobody else rotates. Held by a connection and not a transaction, whose snapshot would keep old rows."""
    with connected(url) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [LOCK]).fetchone()
        yield row is not None and bool(row[0])


@contextmanager
def _sandbox(live: Settings, *, migrate: bool) -> Iterator[tuple[Desk | None, str]]:
    with ExitStack() as stack:
        try:
            chosen = sandbox.settings_of(live)
            if live.sandbox_database_url is None:
                _require_database(str(chosen.database_owner_url), server=str(live.database_owner_url))
            logins.prepare(chosen, migrate=migrate)
            ctx = stack.enter_context(_desk(chosen))
        except (NoSandbox, BooksNotOpen, WrongSecretKey) as error:
            yield None, error.detail
        else:
            yield ctx, ""


def _require_database(url: str, *, server: str) -> None:
    if not schema.has_database(url, server=server):
        raise NoSandbox("its database does not exist")


@contextmanager
def _desk(chosen: Settings) -> Iterator[Desk]:
    database = Database(str(chosen.database_owner_url), pool_size=3, owner=True)
    try:
        opened = Desk(chosen, database)
        opened.keyring  # noqa: B018 -- it is read now, or nothing is opened
        yield opened
    finally:
        database.close()


def new_key(of: Coalition, given: Path | None) -> SecretKey:
    """The key that is to take the place of the one in use, from the file `given`, or made there.

    Raises RotationRefused, and SettingsError where the file holds no key.
    """
    others = of.others(of.live)
    if given == STANDARD_INPUT:
        value = secret_key.parse(sys.stdin.read(200), "standard input")
    else:
        path = given or _draft(of)
        if not path.exists():
            if others:
                raise _under_way(of)
            secret_key.make(path)
        value = secret_key.read(path)
    new = SecretKey(value, of.key.realm)
    if new == of.key:
        raise RotationRefused(_under_way(of).detail if others else "the new secret key is already in use")
    if new.key_id in of.retired:
        raise RotationRefused(f"the secret key {new.key_id} was in use before and is retired; choose a new one")
    if others and new.key_id not in others:
        raise _under_way(of)
    return new


def _draft(of: Coalition) -> Path:
    if of.file is None:
        raise RotationRefused(
            "COALITION_SECRET_KEY gives the key; use --new-key to name a file that holds the new key, or a new file "
            "for it"
        )
    path = of.file.with_name(DRAFT)
    if path.exists():
        left = SecretKey(secret_key.read(path), of.key.realm)
        if left == of.key or left.key_id in of.retired:
            path.unlink()  # of a rotation that was killed when all was done but this, or taken back
    return path


def _under_way(of: Coalition) -> RotationRefused:
    """Which way it ends: the key that was added last is the new one, whichever this command has."""
    *_, former, new = [each.key_id for each in of.wrappings(of.live) if each.retired_at is None]
    if of.key.key_id == new:
        return RotationRefused(f"a rotation is in progress: `coalition key retire {former} --reason …` ends it")
    return RotationRefused(
        f"a rotation is in progress, and the new secret key {new} is not in place here: with it in place "
        f"`coalition key retire {former} --reason …` ends the rotation; "
        f"`coalition key retire {new} --reason …` takes it back"
    )


def add(of: Coalition, act: Act, new: SecretKey) -> None:
    """Let `new` open the books as well, and log in."""
    for ctx in of.desks:
        key = new if ctx is of.live else SecretKey(bytes.fromhex(new.of_sandbox()), "test")
        with ctx.database.transaction() as session:
            found = root_key.wrappings(session)
            if key.key_id in {each.key_id for each in found}:
                continue  # by the rotation that was killed behind it
            root_key.add(session, ctx.keyring, key=key, programme_id=found[0].programme_id, now=act.now)
            audit.append(session, replace(act, keyring=ctx.keyring), "secret_key.added", key.key_id)
    logins.make(replace(of.settings, secret_key=new.hex))


def put_in_place(of: Coalition, new: SecretKey) -> Path | None:
    """Let the file of the secret key, if there is one, hold `new`; where the former key is kept."""
    if of.file is None:
        return None
    kept = secret_key.put_in_place(of.file, new, former=of.key)
    of.file.with_name(DRAFT).unlink(missing_ok=True)
    return kept


def retire(of: Coalition, act: Act, key_id: str, *, force: bool) -> None:
    """Let the secret key `key_id` open nothing more, nor log in.

    Raises RotationRefused where processes still have it; with `force`, ends their connections.
    """
    _check_that_it_goes(of, key_id)
    leaving = [(ctx, other) for ctx in of.desks for other in of.others(ctx)]
    for ctx, other in leaving:
        if force:
            logins.end_sessions(str(ctx.settings.database_owner_url), logins_of=key_id)
            continue
        with ctx.database.reading() as session:
            if count := logins.sessions(session, key_id=other, logins_of=key_id):
                raise RotationRefused(
                    f"{count} connections are open under the secret key {key_id}: start their processes again with the "
                    "new one, or end them with --force"
                )
    _take_away(leaving, act, key_id)
    _wipe(of)


def _take_away(leaving: list[tuple[Desk, str]], act: Act, key_id: str) -> None:
    for ctx, other in leaving:
        with ctx.database.transaction() as session:
            root_key.retire(session, other, now=act.now)
            logins.drop(session, logins_of=key_id)
            audit.append(session, replace(act, keyring=ctx.keyring), "secret_key.retired", other)


def _wipe(of: Coalition) -> None:
    for ctx in of.desks:
        root_key.rewrite(str(ctx.settings.database_owner_url))


def _check_that_it_goes(of: Coalition, key_id: str) -> None:
    known = {each.key_id: each for each in of.wrappings(of.live)}
    if key_id not in known:
        raise RotationRefused(f"there is no secret key {key_id}; `coalition key list` shows them all")
    if key_id == of.key.key_id:
        raise RotationRefused(
            f"this command runs with the secret key {key_id} itself; put the other key in its place first"
        )
    if (at := known[key_id].retired_at) is not None:
        _wipe(of)  # once more: the command may have been killed between the two
        raise RotationRefused(f"the secret key {key_id} was retired on {at:%Y-%m-%d}")
