"""The sandbox: a second coalition beside live, in a database and under keys of its own, with nobody's real points."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import make_url

from kit import logins, secret_key
from kit.db import shown
from kit.errors import Conflict
from kit.settings import Settings

PATH = "/sandbox"
DATABASE_SUFFIX = "_sandbox"

# What a client may ask in a second, whatever live grants: enough to try everything, too little to be felt there.
READS_PER_S = 200
WRITES_PER_S = 100
LOOKUPS_PER_S = 50
OAUTH_PER_S = 10
# What may wait for one of its threads in a web process; it has some of its own, so that live always has its own.
MOST_WAITING = 32


class NoSandbox(Conflict):
    code = "no_sandbox"
    title = "No sandbox"
    description = "This coalition has no sandbox beside it, because COALITION_SANDBOX says so."
    remedy = (
        "Set COALITION_SANDBOX to beside and COALITION_WEB_THREADS to at least 2, start the coalition again, and "
        "repeat the command."
    )


def settings_of(live: Settings) -> Settings:
    """The settings of the sandbox beside `live`, whose addresses are known.

    Its secret key is made of live's, so that there is no second one to keep, and its root key is its own, so that
    neither can read a token, a seal or a hash of the other; its logins are live's. It has half as many threads in a web
    process as live, so that one needs two. Raises NoSandbox.
    """
    if live.sandbox != "beside":
        raise NoSandbox(f"COALITION_SANDBOX is {live.sandbox}")
    if live.web_threads < 2:
        raise NoSandbox("COALITION_WEB_THREADS=1 leaves no thread for a sandbox beside live")
    users = logins.resolve(live)
    place = live.sandbox_database_url or database_beside(str(users.database_url))
    owner = users.database_owner_url and (live.sandbox_database_url or database_beside(users.database_owner_url))
    return replace(
        live,
        sandbox="only",
        database_url=logins.at(str(users.database_url), place),
        database_tenant_url=logins.at(str(users.database_tenant_url), place),
        database_owner_url=owner,
        sandbox_database_url=None,
        public_url=live.issuer + PATH,
        secret_key=secret_key.of(live).of_sandbox(),
        web_threads=live.web_threads // 2,
        rate_limit_reads_per_s=min(live.rate_limit_reads_per_s, READS_PER_S),
        rate_limit_writes_per_s=min(live.rate_limit_writes_per_s, WRITES_PER_S),
        rate_limit_lookups_per_s=min(live.rate_limit_lookups_per_s, LOOKUPS_PER_S),
        rate_limit_oauth_per_s=min(live.rate_limit_oauth_per_s, OAUTH_PER_S),
    )


def database_beside(url: str) -> str:
    """Where the sandbox's database is unless the settings say: beside that at `url`, on the same server."""
    live = make_url(url)
    name = f"{live.database or live.username}{DATABASE_SUFFIX}"
    return shown(live.set(database=name))
