"""The sandbox: a second coalition beside live, in a database and under keys of its own, with nobody's real points."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import make_url

from kit.errors import Conflict
from kit.secrets import keyring
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
    """This coalition has no sandbox beside it: COALITION_SANDBOX says so."""

    code = "no_sandbox"
    title = "No sandbox"


def beside(live: Settings) -> Settings:
    """The settings of the sandbox beside `live`, whose addresses are known.

    Its key is made of live's, so that neither can read a token, a seal or a hash of the other. It has half as
    many threads in a web process as live, so that one needs two. Raises NoSandbox.
    """
    if live.sandbox != "beside":
        raise NoSandbox(f"COALITION_SANDBOX is {live.sandbox}")
    if live.web_threads < 2:
        raise NoSandbox("with COALITION_WEB_THREADS=1 it would leave none to live")
    return replace(
        live,
        sandbox="only",
        database_url=database_url(live),
        sandbox_database_url=None,
        public_url=live.issuer + PATH,
        secret_key=keyring(live).fingerprint(purpose="sandbox", value="secret key").hex(),
        web_threads=live.web_threads // 2,
        rate_limit_reads_per_s=min(live.rate_limit_reads_per_s, READS_PER_S),
        rate_limit_writes_per_s=min(live.rate_limit_writes_per_s, WRITES_PER_S),
        rate_limit_lookups_per_s=min(live.rate_limit_lookups_per_s, LOOKUPS_PER_S),
        rate_limit_oauth_per_s=min(live.rate_limit_oauth_per_s, OAUTH_PER_S),
    )


def database_url(live: Settings) -> str:
    """Where the sandbox's database is: where the settings say, otherwise beside live's on the same server."""
    if live.sandbox_database_url is not None:
        return live.sandbox_database_url
    if live.database_url is None:
        raise ValueError("the engines' addresses have to be known")
    url = make_url(live.database_url)
    name = f"{url.database or url.username}{DATABASE_SUFFIX}"
    return url.set(database=name).render_as_string(hide_password=False)
