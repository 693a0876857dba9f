"""Whom to trust (c2sp.org/tlog-policy): logs, witnesses, and how many of these have to have cosigned a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.keys import LOG, WITNESS, Type, VerifierKey
from coalition.tlog.notes import Note

LONGEST_POLICY_BYTES, MOST_LINES = 64 * 1024, 500
NOBODY = "none"


class MalformedPolicy(MalformedLogFile):
    code = "malformed_policy"
    title = "Malformed policy"
    description = "The policy file is not in the form of c2sp.org/tlog-policy. `detail` names the line."
    remedy = "Correct the line. docs/seals.md shows a policy with a log, witnesses, a group and a quorum."


@dataclass(frozen=True)
class Witness:
    """A witness under its name in the policy; `url` is where checkpoints can be sent to."""

    name: str
    key: VerifierKey
    url: str | None


@dataclass(frozen=True)
class Group:
    """So many of its members, witnesses or other groups, make it one that has seen a checkpoint."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Logs, witnesses and groups by their names, and the name of what is enough (`none`: no witness is needed)."""

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    def logs_of(self, origin: str) -> list[VerifierKey]:
        """The keys of the log that calls itself `origin`."""
        return [key for key in self.logs if key.name == origin]

    def cosigners(self, note: Note) -> list[Witness]:
        """Its witnesses that cosigned `note`; raises SignatureBroken."""
        signed = note.signed_by([witness.key for witness in self.witnesses.values()])
        return [witness for witness in self.witnesses.values() if witness.key in signed]

    def is_met(self, cosigned: Collection[str]) -> bool:
        """Whether witnesses with these names are enough."""
        return self._has_seen(self.quorum, cosigned)

    def _has_seen(self, name: str, cosigned: Collection[str]) -> bool:
        if name == NOBODY or name in self.witnesses:
            return name == NOBODY or name in cosigned
        group = self.groups[name]
        return sum(self._has_seen(member, cosigned) for member in group.members) >= group.least


@dataclass
class _Reader:
    """A policy as its lines are read, one after the other."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None

    def read(self, words: list[str]) -> None:
        match words:
            case ["log", key] | ["log", key, _]:
                self.logs.append(self._key(key, LOG, self.logs))
            case ["witness", name, key, *url] if len(url) < 2:
                known = [witness.key for witness in self.witnesses.values()]
                made = Witness(self._new(name), self._key(key, WITNESS, known), url[0] if url else None)
                self.witnesses[name] = made
            case ["group", name, least, *members] if members:
                # A name that stands in one group only counts in one way only.
                for member in members:
                    self._known(member)
                    if member in self.members:
                        raise MalformedPolicy(f"{member} is a member twice")
                    self.members.add(member)
                self.groups[self._new(name)] = Group(_least(least, len(members)), tuple(members))
            case ["quorum", name] if self.quorum is None:
                self.quorum = name if name == NOBODY else self._known(name)
            case _:
                raise MalformedPolicy("it says neither log, witness, group nor one quorum, or has too many words")

    def _new(self, name: str) -> str:
        if name == NOBODY or name in self.witnesses or name in self.groups:
            raise MalformedPolicy(f"{name} is taken")
        return name

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            raise MalformedPolicy(f"{name} is not defined before")
        return name

    @staticmethod
    def _key(text: str, type_: Type, known: list[VerifierKey]) -> VerifierKey:
        key = VerifierKey.parse(text)
        if key.type != type_:
            raise MalformedPolicy(f"{key.name} has type {key.type}; a log's key has type {LOG}, a witness's {WITNESS}")
        if any(key.public == each.public for each in known):
            raise MalformedPolicy(f"the key of {key.name} is there twice")
        return key


def _least(said: str, members: int) -> int:
    least = {"any": 1, "all": members}.get(said) or int(said if re.fullmatch(r"[1-9][0-9]{0,3}", said) else 0)
    if not 1 <= least <= members:
        raise MalformedPolicy(f"of {members} members it takes `any`, `all` or a number up to {members}")
    return least


def parse(data: bytes) -> Policy:
    """The policy in a file; raises MalformedPolicy with the number of the line."""
    if len(data) > LONGEST_POLICY_BYTES or data.count(b"\n") > MOST_LINES:
        raise MalformedPolicy(f"a policy has at most {MOST_LINES} lines and {LONGEST_POLICY_BYTES} bytes")
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", data):
        raise MalformedPolicy("a policy holds no control characters but tab and line feed")
    reader = _Reader()
    # Bytes that are not ASCII mean nothing but themselves.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.read(words)
        except MalformedLogFile as error:
            raise MalformedPolicy(f"line {number}: {error.detail}") from None
    if reader.quorum is None:
        raise MalformedPolicy("the policy has no line `quorum`")
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)
