"""Every value, by its name. Generated from the API's description: change that and pin it."""

from coalition_client.models.admin_agreements import Agreement
from coalition_client.models.admin_brands import Brand
from coalition_client.models.admin_categories import Category
from coalition_client.models.admin_clients import Client
from coalition_client.models.admin_contacts import Contact
from coalition_client.models.admin_locations import Location
from coalition_client.models.admin_members import (
    BalancePart,
    DeskHold,
    DeskIdentifier,
    DeskTransaction,
    ExplainedBalance,
    ExplainedMember,
    FoundMember,
    Moved,
    ShownMember,
)
from coalition_client.models.admin_partners import LegalEntity, Partner, Readiness, StateChange
from coalition_client.models.admin_presences import Presence
from coalition_client.models.admin_rates import Rate
from coalition_client.models.admin_signatures import Signature
from coalition_client.models.admin_staff import Person
from coalition_client.models.admin_tills import Till
from coalition_client.models.batches import BatchAnswer, BatchFile, ItemAnswer
from coalition_client.models.earns import Amount
from coalition_client.models.event_types import EventType
from coalition_client.models.explanations import Counter, Explanation, Part
from coalition_client.models.holds import HoldShown
from coalition_client.models.identifiers import KeptIdentifier
from coalition_client.models.magic_references import MagicReference
from coalition_client.models.me import MyTransaction
from coalition_client.models.members import Balance, Expiring, Member, Transaction
from coalition_client.models.requests import Request
from coalition_client.models.returns import Returned, ReturnShown
from coalition_client.models.test_clock import Clock
from coalition_client.models.webhook_deliveries import Attempt, Delivery, DeliveryWithAttempts
from coalition_client.models.webhook_endpoints import Endpoint

__all__ = [
    "Agreement",
    "Amount",
    "Attempt",
    "Balance",
    "BalancePart",
    "BatchAnswer",
    "BatchFile",
    "Brand",
    "Category",
    "Client",
    "Clock",
    "Contact",
    "Counter",
    "Delivery",
    "DeliveryWithAttempts",
    "DeskHold",
    "DeskIdentifier",
    "DeskTransaction",
    "Endpoint",
    "EventType",
    "Expiring",
    "ExplainedBalance",
    "ExplainedMember",
    "Explanation",
    "FoundMember",
    "HoldShown",
    "ItemAnswer",
    "KeptIdentifier",
    "LegalEntity",
    "Location",
    "MagicReference",
    "Member",
    "Moved",
    "MyTransaction",
    "Part",
    "Partner",
    "Person",
    "Presence",
    "Rate",
    "Readiness",
    "Request",
    "ReturnShown",
    "Returned",
    "ShownMember",
    "Signature",
    "StateChange",
    "Till",
    "Transaction",
]
