"""What a partner's client did, checked: pure rules from the requests it made to results.

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

from ops.certify.results import Finding, Result, Scenario, found, result_of

MOVES_POINTS = re.compile(
    r"/v1/(earns|burns|holds|returns|clawbacks|batches|batches/files|holds/[^/]+/(capture|void)"
    r"|transactions/[^/]+/reversals)"
)
LOST_ON_PURPOSE = "sandbox:commit_then_drop"  # a reference whose posting is made and whose answer is never sent
BUSY_ON_PURPOSE = "sandbox:database_unavailable"
MADE_EARLIER = timedelta(minutes=1)
MOST_REPETITIONS = 3
MOST_TOKENS, TOKENS_WITHIN = 10, timedelta(minutes=10)
WAIT_TOLERANCE = 0.9
WAITED_FOR = frozenset((409, 503))


@dataclass(frozen=True)
class RecordedRequest:
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
class ClientHistory:
    """Everything a partner's clients did in a while, oldest first; `tokens` are when each client was given one."""

    requests: Sequence[RecordedRequest]
    tokens: Mapping[str, Sequence[datetime]]
    files: Sequence[HandedIn] = ()

    @property
    def postings(self) -> list[RecordedRequest]:
        """The requests that were to move points."""
        return [one for one in self.requests if one.moves_points]


def keys(history: ClientHistory) -> Result:
    """Every posting came under a key, and no key stood for two different things."""
    codes = ("idempotency_key_missing", "idempotency_key_reused", "file_key_reused")
    wrong = [str(one) for one in history.requests if one.code in codes]
    keyed = {one.key for one in history.postings if one.key}
    return result_of(wrong=wrong, right=[f"{len(keyed)} keys"] if keyed else [])


def lost_answers(history: ClientHistory) -> Result:
    """What was sent again came under the same key, and an answer that was lost on purpose was asked for again."""
    under_key: dict[str, list[RecordedRequest]] = defaultdict(list)
    keys_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in history.postings:
        if one.key and one.is_done:
            under_key[one.key].append(one)
            if one.reference:
                keys_of[one.path, one.reference].add(one.key)
    wrong = [
        f"{name} was sent to {path} under {len(keys)} keys" for (path, name), keys in keys_of.items() if len(keys) > 1
    ]
    wrong += [
        f"its answer was lost, and the client did not retry: {sent[0]}"
        for sent in under_key.values()
        if len(sent) == 1 and sent[0].reference.startswith(LOST_ON_PURPOSE)
    ]
    again = [f"sent {len(sent)} times under one key: {sent[0]}" for sent in under_key.values() if len(sent) > 1]
    return result_of(wrong=wrong, right=again)


def returns(history: ClientHistory) -> Result:
    """Goods that came back were posted against their purchase, and a receipt as one return."""
    done = [one for one in history.postings if one.is_done]
    named = [str(one) for one in done if _is_reversal(one) or one.path == "/v1/returns" or _has_returns(one)]
    unnamed = [f"names no purchase: {one}" for one in done if one.path == "/v1/clawbacks"]
    reversed_under: dict[str, set[str]] = defaultdict(set)
    for one in filter(_is_reversal, done):
        reversed_under[one.reference].add(one.path)
    apart = [
        f"{reference} was returned in {len(paths)} reversals, not in one POST /v1/returns"
        for reference, paths in reversed_under.items()
        if reference and len(paths) > 1
    ]
    return result_of(wrong=apart or ([] if named else unnamed), right=named)


def offline(history: ClientHistory) -> Result:
    """What a till did without us was handed in as a batch, or a file, whose items say when they were."""
    batches = [one for one in history.requests if one.path == "/v1/batches" and one.is_done]
    dated = [one for one in batches if any(_was_earlier(item, one.at) for item in one.body.get("items", ()))]
    undated = [one for one in batches if "items" in one.body and one not in dated]
    late = [one for one in history.files if one.latest_s >= MADE_EARLIER.total_seconds()]
    right = [str(one) for one in (*dated, *late)]
    wrong = [f"no item says that it was earlier: {one}" for one in (*undated, *history.files)]
    return result_of(wrong=[] if right else wrong, right=right)


def refusals(history: ClientHistory) -> Result:
    """What was refused for good was not posted again and again.

    Only postings count: by their reference two are the same, while what else is asked is masked and may be alike.
    """
    count: dict[str, list[RecordedRequest]] = defaultdict(list)
    for one in history.postings:
        if one.is_refused_for_good:
            count[json.dumps([one.method, one.path, one.code, one.body], sort_keys=True, default=str)].append(one)
    wrong = [f"sent {len(sent)} times: {sent[0]}" for sent in count.values() if len(sent) > MOST_REPETITIONS]
    return result_of(wrong=wrong, right=[f"{sum(map(len, count.values()))} refusals"] if count else [])


def waits(history: ClientHistory) -> Result:
    """Where we said to wait, the next try under the same key came no sooner."""
    wrong: list[str] = []
    right: list[str] = []
    last: dict[str, RecordedRequest] = {}
    for one in history.requests:
        before = last.get(one.key or "")
        if one.key and before is not None and before.status in WAITED_FOR and before.answer.get("retryable"):
            wanted = timedelta(seconds=float(before.answer.get("retry_after_s", 1)))
            came = one.at - before.at
            line = f"came {came.total_seconds():.1f} s after one that asked for {wanted.total_seconds():.0f} s: {one}"
            (right if came >= wanted * WAIT_TOLERANCE else wrong).append(line)
        last[one.key or ""] = one
    return result_of(wrong=wrong, right=right)


def tokens(history: ClientHistory) -> Result:
    """A token was used until it ended, not asked for anew for each request."""
    wrong = [
        f"{client} asked for more than {MOST_TOKENS} tokens within {TOKENS_WITHIN.total_seconds() / 60:.0f} minutes"
        for client, given in history.tokens.items()
        if _has_more_within(sorted(given), MOST_TOKENS, TOKENS_WITHIN)
    ]
    right = [f"{client}: {len(given)}" for client, given in history.tokens.items() if given]
    return result_of(wrong=wrong, right=right)


def _is_reversal(one: RecordedRequest) -> bool:
    return one.path.endswith("/reversals")


def _has_returns(one: RecordedRequest) -> bool:
    items = one.body.get("items", ()) if one.path == "/v1/batches" else ()
    return any(isinstance(item, Mapping) and item.get("kind") == "return" for item in items)


def _was_earlier(item: Any, at: datetime) -> bool:
    try:
        return at - datetime.fromisoformat(item["effective_at"]) >= MADE_EARLIER
    except (TypeError, KeyError, ValueError):
        return False


def _has_more_within(times: Sequence[datetime], most: int, within: timedelta) -> bool:
    return any(later - earlier < within for earlier, later in zip(times, times[most:], strict=False))


Check = Callable[[ClientHistory], Result]
SCENARIOS: tuple[Scenario[Check], ...] = (
    Scenario(
        "keys",
        "Every posting has its own Idempotency-Key",
        "A request that is sent twice by accident is posted once.",
        "Make a key for each request before you send it. Keep the key with the receipt until you have the answer.",
        keys,
    ),
    Scenario(
        "lost_answers",
        "The client retries with the same key when an answer is lost",
        "A broken connection loses no points and pays no points twice.",
        "When no answer comes, send the same bytes again under the same key. Try it in the sandbox: post with the "
        f"reference `{LOST_ON_PURPOSE}:1`, whose answer is never sent.",
        lost_answers,
    ),
    Scenario(
        "returns",
        "A return names its purchase",
        "Points go back to where they came from, even points of other brands and of closed days.",
        (
            "POST /v1/returns with all transactions of the receipt, its earn and its burn. Use a clawback only without "
            "a receipt."
        ),
        returns,
    ),
    Scenario(
        "offline",
        "Offline sales arrive with their time",
        "A till that was offline loses no purchase, and each purchase counts on its own day.",
        "Collect the till's postings and POST them to /v1/batches, or as a file, with `effective_at` in each item.",
        offline,
    ),
    Scenario(
        "refusals",
        "The client does not repeat a request that we refused for good",
        "A person sees the refusal, and no program repeats it.",
        "Retry only answers with `retryable: true`. Show or log `code` and `detail` of all others.",
        refusals,
    ),
    Scenario(
        "waits",
        "The client waits for Retry-After",
        "Tills that we refused at the same time do not all come back at the same time.",
        "Wait the seconds in Retry-After, then a little more by chance. Try it in the sandbox: post with the reference "
        f"`{BUSY_ON_PURPOSE}:1`, which is refused once.",
        waits,
    ),
    Scenario(
        "tokens",
        "The client uses a token until it ends",
        "A purchase takes one round trip instead of two.",
        "Keep the access token. Ask for a new one shortly before `expires_in` is over, or after a 401.",
        tokens,
    ),
)


def run(history: ClientHistory) -> list[Finding]:
    """Every scenario, and what it came to."""
    return [found(scenario, scenario.how(history)) for scenario in SCENARIOS]
