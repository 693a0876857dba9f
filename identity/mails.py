"""The mails we send, as they are read: a subject and a text, in the language of whoever asks for them."""

from __future__ import annotations

from typing import NamedTuple

from kit.translation import gettext as _
from kit.translation import ngettext


class Mail(NamedTuple):
    """A message's subject and its plain text."""

    subject: str
    body: str


def sign_in_code(code: str, *, minutes: int, issuer: str) -> Mail:
    """The code that signs somebody in on our pages."""
    return Mail(
        _("Your code to sign in"),
        _paragraphs(
            _("Your code to sign in is"),
            f"    {code[:4]} {code[4:]}",
            ngettext(
                "You can use it once, within %(n)s minute, in the browser where you asked for it, at",
                "You can use it once, within %(n)s minutes, in the browser where you asked for it, at",
                minutes,
            )
            + f"\n{issuer}",
            _not_you(),
        ),
    )


def address_code(code: str, *, minutes: int) -> Mail:
    """The code that shows that an address is a member's, whoever asks for it on the member's behalf."""
    return Mail(
        _("Your code to confirm this address"),
        _paragraphs(
            _("Your code to confirm this address is"),
            f"    {code}",
            ngettext(
                "It is valid for %(n)s minute. Enter it where you asked for it.",
                "It is valid for %(n)s minutes. Enter it where you asked for it.",
                minutes,
            ),
            _not_you(),
        ),
    )


def _not_you() -> str:
    return _("We never ask you for this code. If you did not request it, you can ignore this message.")


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
