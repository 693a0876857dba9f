"""What /v1/webhook-endpoints asks for and answers."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.fields import Structure, Texts
from kit import ids
from kit.http.choices import Choice, ChoosingSchema
from kit.http.fields import OPTIONAL, Id, Instant, Shown, WholeNumber
from webhooks import authentication, client_tls
from webhooks import endpoint_settings as settings
from webhooks.endpoint_health import BUCKETS
from webhooks.endpoints import LONGEST_GRACE_S
from webhooks.event_types import patterns

A_DAY_S = 24 * 3600


def _url(**more: Any) -> Shown:
    return Shown(validate=validate.Length(1, 2000), metadata={"pattern": "^https?://", "format": "uri"}, **more)


def _event_types(**more: Any) -> ma.fields.List[str]:
    each = ma.fields.String(validate=validate.OneOf(patterns()))
    return ma.fields.List(each, validate=validate.Length(1, 50), **more)


def _text(longest: int, description: str) -> ma.fields.String:
    return ma.fields.String(validate=validate.Length(1, longest), metadata={"description": description})


class AuthenticationSchema(ma.Schema):
    schema_description = (
        "How we authenticate at your receiver. `oauth2` needs `token_url`, `client_id` and `client_secret`: we get a "
        "token there with client credentials (RFC 6749) and send it with each message. `mtls` needs `certificate` and "
        "`private_key`: our connections present that certificate."
    )

    type = ma.fields.String(required=True, validate=validate.OneOf(authentication.TYPES))
    token_url = _url()
    client_id = _text(authentication.LONGEST["client_id"], "Ours at your authorization server")
    client_secret = _text(authentication.LONGEST["client_secret"], "We keep it encrypted and never show it again.")
    client_authentication = ma.fields.String(
        validate=validate.OneOf(authentication.CLIENT_AUTHENTICATIONS),
        metadata={
            "description": (
                "How we send `client_id` and `client_secret`: `basic` in the Authorization header, `post` in the body. "
                "`basic` if you leave it out."
            )
        },
    )
    scope = _text(authentication.LONGEST["scope"], "What we ask the token to be for, with spaces between them")
    audience = _text(authentication.LONGEST["audience"], "For servers that want an `audience`")
    resource = _text(authentication.LONGEST["resource"], "The receiver as a URI (RFC 8707), for servers that want it")
    certificate = _text(
        client_tls.LARGEST_CERTIFICATE, "PEM: the certificate first, then those that lead from it to your root"
    )
    private_key = _text(
        client_tls.LARGEST_KEY,
        "The certificate's key as PEM, without a password. We keep it encrypted and never show it again.",
    )


class AuthenticationShownSchema(ma.Schema):
    schema_description = "How we authenticate at your receiver, without what is secret."

    type = ma.fields.String()
    token_url = ma.fields.String(metadata={OPTIONAL: True})
    client_id = ma.fields.String(metadata={OPTIONAL: True})
    client_authentication = ma.fields.String(metadata={OPTIONAL: True})
    scope = ma.fields.String(metadata={OPTIONAL: True})
    audience = ma.fields.String(metadata={OPTIONAL: True})
    resource = ma.fields.String(metadata={OPTIONAL: True})
    subject = ma.fields.String(metadata={OPTIONAL: True, "description": "The certificate's, as RFC 4514 writes it"})
    sha256_fingerprint = ma.fields.String(metadata={OPTIONAL: True, "description": "The certificate's, in hex"})
    not_after = ma.fields.String(
        metadata={OPTIONAL: True, "format": "date-time", "description": "Until when the certificate is valid"}
    )


class SettingsSchema(ma.Schema):
    """What can be asked for when an endpoint is registered and afterwards."""

    filter = Structure(
        metadata={
            "description": (
                "Send only events that match: fields and values, or operators such as `$gte`, `$in`, `$prefix`, "
                "`$or` and `$not`."
            )
        },
    )
    body = ma.fields.String(
        validate=validate.OneOf(settings.BODIES),
        metadata={"description": "`thin` bodies have only ids; you fetch the rest, and no personal data is sent."},
    )
    ordering = ma.fields.String(
        validate=validate.OneOf(settings.ORDERINGS),
        metadata={
            "description": (
                "`none` sends each event as soon as possible, `member` each member's events one after the other, "
                "`strict` all of them one after the other."
            )
        },
    )
    on_exhausted = ma.fields.String(
        validate=validate.OneOf(settings.ON_EXHAUSTED),
        metadata={
            "description": "When an ordered event fails for the last time: `skip` it, or `hold` what comes after it."
        },
    )
    batch_size = WholeNumber(
        least=1,
        most=settings.LARGEST_BATCH,
        metadata={"description": "How many events one message may have. Above 1 only with the ordering `strict`."},
    )
    retry_delays_s = ma.fields.List(
        WholeNumber(least=1, most=settings.LONGEST_DELAY_S),
        validate=validate.Length(1, settings.MOST_RETRIES),
        allow_none=True,
        metadata={"description": "Seconds to wait after each failed attempt. null: our own schedule."},
    )
    rate_per_s = WholeNumber(
        least=1,
        most=settings.MOST_PER_S,
        allow_none=True,
        metadata={"description": "At most so many messages a second. null: as many as you take."},
    )
    timeout_s = WholeNumber(
        least=1,
        most=settings.LONGEST_TIMEOUT_S,
        allow_none=True,
        metadata={"description": "Seconds in which your whole answer has to be here. null: our own limit."},
    )
    signatures = ma.fields.List(
        ma.fields.String(validate=validate.OneOf(settings.SIGNATURES)),
        validate=validate.Length(1, len(settings.SIGNATURES)),
        metadata={
            "description": (
                "How we sign: `v1` with the endpoint's secret, `v1a` with a key that we have for you alone. Its public "
                "part is at the endpoint's `keys_url`."
            )
        },
    )
    headers = Texts(
        metadata={
            "description": (
                "Headers to send with each message, such as Authorization. We keep the values encrypted and never "
                "show them again. A change replaces all of them."
            )
        }
    )
    metadata = Texts(metadata={"description": "What you want to remember about the endpoint. We do nothing with it."})
    authentication = ma.fields.Nested(AuthenticationSchema, allow_none=True)


class NewEndpointSchema(SettingsSchema):
    schema_description = "An endpoint to register."

    url = _url(required=True)
    event_types = _event_types(load_default=["*"])


class EndpointChangeSchema(SettingsSchema, ChoosingSchema):
    schema_description = "The fields you can change. Send at least one."

    url = _url()
    event_types = _event_types()
    status = ma.fields.String(validate=validate.OneOf(settings.STATUSES))

    choices = (
        Choice(
            tuple(settings.Settings.__annotations__),
            "send at least one field to change",
            may_be_many=True,
        ),
    )


class RotationSchema(ma.Schema):
    schema_description = "How to change the secret. Send nothing, and we make one."

    grace_s = WholeNumber(
        least=0,
        most=LONGEST_GRACE_S,
        load_default=A_DAY_S,
        metadata={"description": "For how many seconds we sign with the former secret as well. 0: not at all."},
    )
    secret = ma.fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={"description": "A secret of your own: `whsec_` and the base64 of 24 to 64 random bytes."},
    )

    may_be_left_out = True


class EndpointSchema(ma.Schema):
    schema_description = "An endpoint. Only the answers that register it or rotate its secret have a `secret`."

    endpoint_id = Id(ids.ENDPOINT)
    url = ma.fields.String()
    event_types = ma.fields.List(ma.fields.String())
    status = ma.fields.String(
        metadata={"description": "`enabled`; `paused` or `disabled` gathers events and sends none until you enable it."}
    )
    status_reason = ma.fields.String(
        allow_none=True,
        metadata={
            "description": (
                "Why we disabled it: `gone` if it answered 410, `failing` if all attempts failed for long. null if you "
                "did."
            )
        },
    )
    filter = Structure()
    body = ma.fields.String()
    ordering = ma.fields.String()
    on_exhausted = ma.fields.String()
    batch_size = ma.fields.Integer()
    retry_delays_s = ma.fields.List(ma.fields.Integer(), allow_none=True)
    rate_per_s = ma.fields.Integer(allow_none=True)
    timeout_s = ma.fields.Integer(allow_none=True)
    signatures = ma.fields.List(ma.fields.String())
    keys_url = ma.fields.String(
        allow_none=True,
        metadata={
            "format": "uri",
            "description": (
                "Where your receiver finds the public keys of `v1a`, the same for all your endpoints. Anybody may "
                "read them. null if the endpoint does not ask for `v1a`."
            ),
        },
    )
    header_names = ma.fields.List(ma.fields.String(), metadata={"description": "Of the headers we send with messages"})
    metadata = Texts()
    authentication = ma.fields.Nested(AuthenticationShownSchema, allow_none=True)
    former_until = ma.fields.AwareDateTime(
        allow_none=True, metadata={"description": "Until when we sign with the former secret as well"}
    )
    created_at = ma.fields.AwareDateTime()
    secret = ma.fields.String(metadata={OPTIONAL: True})


class HealthSchema(ma.Schema):
    schema_description = "How an endpoint does now."

    failures = ma.fields.Integer(metadata={"description": "Failed attempts in a row"})
    failing_since = ma.fields.AwareDateTime(allow_none=True)
    open_until = ma.fields.AwareDateTime(
        allow_none=True,
        metadata={"description": "We send nothing until then, because attempts failed. Then we try one delivery."},
    )
    last_sequence = ma.fields.Integer(
        metadata={"description": "The number of the newest delivery. Each has a number, so that you can see a gap."}
    )
    backlog = ma.fields.Integer(metadata={"description": "Pending deliveries, counted up to 10,000"})
    oldest_due_at = ma.fields.AwareDateTime(allow_none=True)


class EndpointWithHealthSchema(EndpointSchema):
    schema_description = "An endpoint, and how it does."

    health = ma.fields.Nested(HealthSchema)


class EndpointListSchema(ma.Schema):
    schema_description = "All your endpoints."

    data = ma.fields.List(ma.fields.Nested(EndpointSchema))


class EndpointTestSchema(ma.Schema):
    schema_description = "The test that we send."

    event_id = Id(ids.EVENT)


class StatsQuery(ma.Schema):
    """Which time, in which parts."""

    since = Instant(load_default=None, metadata={"description": "A day before `until`, if you leave it out"})
    until = Instant(load_default=None, metadata={"description": "Now, if you leave it out"})
    bucket = ma.fields.String(validate=validate.OneOf(list(BUCKETS)), load_default="hour")


class BucketSchema(ma.Schema):
    schema_description = "Attempts that began within a bucket's time."

    began_at = ma.fields.AwareDateTime()
    succeeded = ma.fields.Integer()
    failed = ma.fields.Integer()
    given_up = ma.fields.Integer(metadata={"description": "Those of `failed` that were a delivery's last"})
    average_ms = ma.fields.Integer()
    slowest_ms = ma.fields.Integer()


class StatsSchema(ma.Schema):
    schema_description = "Attempts by time, the oldest bucket first. Buckets without attempts are left out."

    since = ma.fields.AwareDateTime()
    until = ma.fields.AwareDateTime()
    bucket = ma.fields.String()
    data = ma.fields.List(ma.fields.Nested(BucketSchema))
