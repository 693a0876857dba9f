"""django-hordak behind one route, `POST /transfer`: points of an issuer's account to a member's, as its docs say.

Run by the Python of the peers' own environment, which has none of ours: `python -m benchmarks.peers.hordak_app 10000`
makes its tables and so many accounts. It takes the same body as our earns do. It has no token to check, nothing to
validate, no key to remember and nobody to tell; its answer is the transaction's id.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from psycopg.conninfo import conninfo_to_dict

CURRENCY = "GBP"
TYPEID_DIGITS = str.maketrans("0123456789abcdefghjkmnpqrstvwxyz", "0123456789abcdefghijklmnopqrstuv")


def configure() -> None:
    """Django on the database of PEER_DATABASE_URL, each thread keeping its connection."""
    at = conninfo_to_dict(os.environ["PEER_DATABASE_URL"])
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": at["dbname"],
                "HOST": at.get("host", ""),
                "PORT": at.get("port", ""),
                "USER": at.get("user", ""),
                "PASSWORD": at.get("password", ""),
                "CONN_MAX_AGE": None,
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DEFAULT_CURRENCY=CURRENCY,
        CURRENCIES=[CURRENCY],
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "hordak"],
        MIDDLEWARE=[],
        ROOT_URLCONF="benchmarks.peers.hordak_app",
        USE_TZ=True,
    )
    django.setup()


def transfer(request: HttpRequest) -> JsonResponse:
    """Two accounts by their key, then what hordak calls a transfer: a transaction and its two legs."""
    from hordak.models import Account  # models can be imported once Django is set up
    from moneyed import Money

    said = json.loads(request.body)
    member = int(said["member_id"].partition("_")[2].translate(TYPEID_DIGITS), 32) & 0xFFFF_FFFF_FFFF
    with transaction.atomic():
        accounts = Account.objects.in_bulk([ISSUER, member])
        made = accounts[ISSUER].transfer_to(
            accounts[member], Money(said["points"], CURRENCY), description=said["reference"]
        )
    answer = JsonResponse({"transaction_id": str(made.uuid)}, status=201)
    answer["Content-Length"] = len(answer.content)  # Django leaves it to a middleware
    return answer


ISSUER = 2**31 - 1  # its account's key; a member's is the member's number
urlpatterns = [path("transfer", transfer)]


def application() -> Any:
    """The WSGI app."""
    configure()
    return WSGIHandler()


def make_accounts(members: int) -> None:
    """The tables, the issuer's account and one for each member, none the parent of another."""
    configure()
    call_command("migrate", verbosity=0)
    from hordak.models import Account, AccountType

    place = {"type": AccountType.liability, "currencies": [CURRENCY], "lft": 1, "rght": 2, "level": 0}
    Account.objects.bulk_create(
        [
            Account(id=n, name=f"account {n}", tree_id=tree, **place)
            for tree, n in enumerate([ISSUER, *range(1, members + 1)], 1)
        ],
        batch_size=1_000,
    )


if __name__ == "__main__":
    make_accounts(int(sys.argv[1]))
