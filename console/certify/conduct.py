"""What a partner's client did, judged: pure rules from the requests it made to verdicts.

Refusals for too many requests and requests without a valid token are not kept, so nothing is said of those.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.certify.verdicts import Finding, Scenario, Verdict, found, judged

MOVES_POINTS = re.compile(
    r"/v1/(earns|burns|holds|clawbacks|batches|batches/files|holds/[^/]+/(capture|void)|transactions/[^/]+/reversals)"
)
LOST_ON_PURPOSE = "sandbox:commit_then_drop"  # a reference whose posting is made and whose answer is never sent
BUSY_ON_PURPOSE = "sandbox:database_unavailable"
MADE_EARLIER = timedelta(minutes=1)
MOST_REPETITIONS = 3
MOST_TOKENS, TOKENS_WITHIN = 10, timedelta(minutes=10)
WAIT_TOLERANCE = 0.9
WAITED_FOR = frozenset((409, 503))


@dataclass(frozen=True)
class Asked:
    """One request: what was sent (masked) and what came of it."""

    request_id: str
    at: datetime
    method: str
    path: str
    status: int
    code: str | None
    key: str | None
    body: Mapping[str, Any]
    answer: Mapping[str, Any]

    @property
    def moves_points(self) -> bool:
        """Whether it was to post something."""
        return self.method == "POST" and MOVES_POINTS.fullmatch(self.path) is not None

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def is_refused_for_good(self) -> bool:
        """Whether sending it again can't help."""
        return 400 <= self.status < 500 and not self.answer.get("retryable")

    @property
    def reference(self) -> str:
        """The partner's own name for the posting, if it gave one."""
        return str(self.body.get("reference", ""))

    def __str__(self) -> str:
        said = f" {self.code}" if self.code else ""
        return f"{self.method} {self.path}: {self.status}{said} ({self.request_id})"


@dataclass(frozen=True)
class HandedIn:
    """A file of postings that is worked off; `latest_s` is how long before it was booked its oldest line happened."""

    batch_id: str
    latest_s: float

    def __str__(self) -> str:
        return f"POST /v1/batches/files ({self.batch_id})"


@dataclass(frozen=True)
class Conduct:
    """Everything a partner's clients did in a while, oldest first; `tokens` are when each client was given one."""

    asked: Sequence[Asked]
    tokens: Mapping[str, Sequence[datetime]]
    files: Sequence[HandedIn] = ()

    @property
    def postings(self) -> list[Asked]:
        """The requests that were to move points."""
        return [one for one in self.asked if one.moves_points]


def keys(conduct: Conduct) -> Verdict:
    """Every posting came under a key, and no key stood for two different things."""
    codes = ("idempotency_key_missing", "idempotency_key_reused", "file_key_reused")
    wrong = [str(one) for one in conduct.asked if one.code in codes]
    keyed = {one.key for one in conduct.postings if one.key}
    return judged(wrong=wrong, right=[f"{len(keyed)} keys"] if keyed else [])


def lost_answers(conduct: Conduct) -> Verdict:
    """What was sent again came under the same key, and an answer that was lost on purpose was asked for again."""
    under_key: dict[str, list[Asked]] = defaultdict(list)
    keys_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in conduct.postings:
        if one.key and one.is_done:
            under_key[one.key].append(one)
            if one.reference:
                keys_of[one.path, one.reference].add(one.key)
    wrong = [
        f"{name} was sent to {path} under {len(keys)} keys" for (path, name), keys in keys_of.items() if len(keys) > 1
    ]
    wrong += [
        f"its answer was lost, and not asked for again: {sent[0]}"
        for sent in under_key.values()
        if len(sent) == 1 and sent[0].reference.startswith(LOST_ON_PURPOSE)
    ]
    again = [f"sent {len(sent)} times under one key: {sent[0]}" for sent in under_key.values() if len(sent) > 1]
    return judged(wrong=wrong, right=again)


def returns(conduct: Conduct) -> Verdict:
    """Goods that came back were posted against their purchase, not as something of its own."""
    done = [one for one in conduct.postings if one.is_done]
    named = [str(one) for one in done if one.path.endswith("/reversals")]
    unnamed = [f"names no purchase: {one}" for one in done if one.path == "/v1/clawbacks"]
    return judged(wrong=[] if named else unnamed, right=named)


def offline(conduct: Conduct) -> Verdict:
    """What a till did without us was handed in as a batch, or a file, whose items say when they were."""
    batches = [one for one in conduct.asked if one.path == "/v1/batches" and one.is_done]
    dated = [one for one in batches if any(_was_earlier(item, one.at) for item in one.body.get("items", ()))]
    undated = [one for one in batches if "items" in one.body and one not in dated]
    late = [one for one in conduct.files if one.latest_s >= MADE_EARLIER.total_seconds()]
    right = [str(one) for one in (*dated, *late)]
    wrong = [f"no item says that it was earlier: {one}" for one in (*undated, *conduct.files)]
    return judged(wrong=[] if right else wrong, right=right)


def refusals(conduct: Conduct) -> Verdict:
    """What was refused for good was not posted again and again.

    Only postings count: by their reference two are the same, while what else is asked is masked and may be alike.
    """
    count: dict[str, list[Asked]] = defaultdict(list)
    for one in conduct.postings:
        if one.is_refused_for_good:
            count[json.dumps([one.method, one.path, one.code, one.body], sort_keys=True, default=str)].append(one)
    wrong = [f"sent {len(sent)} times: {sent[0]}" for sent in count.values() if len(sent) > MOST_REPETITIONS]
    return judged(wrong=wrong, right=[f"{sum(map(len, count.values()))} refusals"] if count else [])


def waits(conduct: Conduct) -> Verdict:
    """Where we said to wait, the next try under the same key came no sooner."""
    wrong: list[str] = []
    right: list[str] = []
    last: dict[str, Asked] = {}
    for one in conduct.asked:
        before = last.get(one.key or "")
        if one.key and before is not None and before.status in WAITED_FOR and before.answer.get("retryable"):
            wanted = timedelta(seconds=float(before.answer.get("retry_after_s", 1)))
            came = one.at - before.at
            line = f"came {came.total_seconds():.1f} s after one that asked for {wanted.total_seconds():.0f} s: {one}"
            (right if came >= wanted * WAIT_TOLERANCE else wrong).append(line)
        last[one.key or ""] = one
    return judged(wrong=wrong, right=right)


def tokens(conduct: Conduct) -> Verdict:
    """A token was used until it ended, not asked for anew for each request."""
    wrong = [
        f"{client} asked for more than {MOST_TOKENS} tokens within {TOKENS_WITHIN.total_seconds() / 60:.0f} minutes"
        for client, given in conduct.tokens.items()
        if _has_more_within(sorted(given), MOST_TOKENS, TOKENS_WITHIN)
    ]
    right = [f"{client}: {len(given)}" for client, given in conduct.tokens.items() if given]
    return judged(wrong=wrong, right=right)


def _was_earlier(item: Any, at: datetime) -> bool:
    try:
        return at - datetime.fromisoformat(item["effective_at"]) >= MADE_EARLIER
    except (TypeError, KeyError, ValueError):
        return False


def _has_more_within(times: Sequence[datetime], most: int, within: timedelta) -> bool:
    return any(later - earlier < within for earlier, later in zip(times, times[most:], strict=False))


Judge = Callable[[Conduct], Verdict]
SCENARIOS: tuple[Scenario[Judge], ...] = (
    Scenario(
        "keys",
        "Every posting has its Idempotency-Key",
        "Whatever is sent twice by accident is posted once.",
        "Make a key for each thing you do, before you send it, and keep it with the receipt until it is answered.",
        keys,
    ),
    Scenario(
        "lost_answers",
        "A lost answer is asked for again under the same key",
        "A cut connection costs no point and pays none twice.",
        "When no answer comes, send the same bytes again under the same key. Try it in the sandbox: post with the "
        f"reference `{LOST_ON_PURPOSE}:1`, whose answer is never sent.",
        lost_answers,
    ),
    Scenario(
        "returns",
        "A return names its purchase",
        "Points go back where they came from, also those of other brands and of days that are closed.",
        "POST /v1/transactions/{id}/reversals with the id of the earn or burn; clawbacks are for what has no receipt.",
        returns,
    ),
    Scenario(
        "offline",
        "What was sold without us is handed in with its time",
        "A till that was cut off loses no purchase, and it counts on its own day.",
        "Collect what the till did, and POST it to /v1/batches, or as a file, with `effective_at` of each item.",
        offline,
    ),
    Scenario(
        "refusals",
        "What is refused for good is not sent again and again",
        "A refusal reaches a person instead of being repeated by a machine.",
        "Try again only what says `retryable: true`; show or log `code` and `detail` of the rest.",
        refusals,
    ),
    Scenario(
        "waits",
        "Retry-After is waited for",
        "Many tills that were refused together don't come back together.",
        "Wait the seconds in Retry-After, then a little more by chance. Try it in the sandbox: post with the reference "
        f"`{BUSY_ON_PURPOSE}:1`, which is refused once.",
        waits,
    ),
    Scenario(
        "tokens",
        "A token is used until it ends",
        "Purchases take one round trip, not two.",
        "Keep the access token and ask for a new one shortly before `expires_in` is over, or after a 401.",
        tokens,
    ),
)


def judge(conduct: Conduct) -> list[Finding]:
    """Every scenario, and what it came to."""
    return [found(scenario, scenario.how(conduct)) for scenario in SCENARIOS]
