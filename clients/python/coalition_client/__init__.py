"""A typed client of a coalition's partner API: `Coalition(base_url, client_id, client_secret)`."""

from coalition_client.client import Coalition, CoalitionWithToken
from coalition_client.errors import (
    CoalitionClientError,
    NoAnswer,
    Problem,
    SignInRefused,
    UnexpectedAnswer,
    WebhookRejected,
)
from coalition_client.retries import RetryPolicy
from coalition_client.values import NULL

__all__ = [
    "NULL",
    "Coalition",
    "CoalitionClientError",
    "CoalitionWithToken",
    "NoAnswer",
    "Problem",
    "RetryPolicy",
    "SignInRefused",
    "UnexpectedAnswer",
    "WebhookRejected",
]
