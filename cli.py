"""Composition root of the `coalition` command."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

import console
from kit import translation
from settlement import verify as settled_days

settled_days.install()
translation.use(Path(console.__file__).parent / "translations")


class LazyCommands(UserDict[str, Any]):
    """Commands by their names, each imported when it is asked for: all of them would cost every one half a second."""

    def __getitem__(self, name: str) -> click.Command:
        found: click.Command = resolve_name(self.data[name])
        return found


# A group with commands from several rooms is imported from the highest of them.
COMMANDS = LazyCommands(
    {
        "agreement": "settlement.cli.agreements:agreement",
        "audit": "kit.audit_cli:audit_commands",
        "batch": "api.batches_cli:batch",
        "certify": "ops.certify.cli:certify",
        "client": "identity.cli.oauth:client",
        "db": "ops.db_cli:db",
        "demo": "ops.cli:demo",
        "key": "ops.key_cli:key",
        "ledger": "partners.cli.programme:ledger",
        "listen": "ops.webhooks_cli:listen",
        "member": "identity.cli.members:member",
        "oauth": "identity.cli.oauth:oauth",
        "partner": "settlement.cli.partners:partner",
        "programme": "partners.cli.programme:programme_rules",
        "rate": "partners.cli.rates:rate",
        "replay": "ops.cli:replay",
        "sandbox": "ops.sandbox_cli:sandbox_commands",
        "seal": "settlement.cli.seals:seal",
        "settlement": "settlement.cli.disputes:settlement",
        "up": "ops.up_cli:up",
        "webhooks": "ops.webhooks_cli:webhooks",
    }
)


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The engine of a coalition loyalty programme. Settings are COALITION_* variables; the README lists them.",
)
@click.version_option(package_name="coalition")
@click.option("--sandbox", is_flag=True, help="Run the command on the sandbox instead of live.")
def main(*, sandbox: bool) -> None:
    pass


if __name__ == "__main__":
    main()
