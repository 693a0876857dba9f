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
from coalition_client.models.admin_placements import Placement
from coalition_client.models.admin_rates import Rate
from coalition_client.models.admin_settlement_reports import (
    BreakageReport,
    BreakageRow,
    Cell,
    ClaimsReport,
    ClaimsRow,
    ExposureReport,
    ExposureRow,
    LiabilityReport,
    LiabilityRow,
    MatrixReport,
    MatrixRow,
    MovementsReport,
    MovementsRow,
    Net,
    NetOfPeriod,
    OwedAtLocation,
    OwedOfDay,
    OwedOfPeriod,
    Paid,
    PaidOfPeriod,
    ReportOfDay,
    ReportOfPeriod,
    SetAside,
    Shortfall,
)
from coalition_client.models.admin_settlement_runs import (
    AdminRun,
    AdminRunDetail,
    OpenItem,
    PartyPosition,
    RunStep,
    Standing,
    WhatIfReport,
    WhatIfRow,
)
from coalition_client.models.admin_signatures import Signature
from coalition_client.models.admin_staff import Person
from coalition_client.models.admin_tills import Till
from coalition_client.models.batches import BatchAnswer, BatchFile, ItemAnswer, ReturnShown
from coalition_client.models.disputes import Dispute
from coalition_client.models.earns import Amount, Award
from coalition_client.models.event_consumers import Consumer, Poll
from coalition_client.models.event_digests import Digest
from coalition_client.models.event_types import EventType
from coalition_client.models.events import FeedEvent, FeedPage, Match, MatchedEvent
from coalition_client.models.explanations import Counter, Explanation, Part
from coalition_client.models.holds import HoldShown
from coalition_client.models.identifiers import KeptIdentifier
from coalition_client.models.me import MyTransaction
from coalition_client.models.members import AwardShown, Balance, Expiring, Member, Transaction
from coalition_client.models.obligations import Line
from coalition_client.models.reconciliation_breaks import Break
from coalition_client.models.reconciliations import Reconciliation
from coalition_client.models.requests import Request
from coalition_client.models.returns import Returned
from coalition_client.models.sandbox_faults import SandboxFault
from coalition_client.models.settlement_runs import Payment, Position, Run, RunDetail
from coalition_client.models.statements import Obligation, Seal, Statement, StatementDetail, Total
from coalition_client.models.test_clock import Clock
from coalition_client.models.webhook_deliveries import Attempt, Delivery, DeliveryWithAttempts
from coalition_client.models.webhook_endpoints import (
    Authentication,
    AuthenticationShown,
    Bucket,
    Endpoint,
    EndpointTest,
    EndpointWithHealth,
    Health,
    Stats,
)
from coalition_client.models.webhook_replays import Replay

__all__ = [
    "AdminRun",
    "AdminRunDetail",
    "Agreement",
    "Amount",
    "Attempt",
    "Authentication",
    "AuthenticationShown",
    "Award",
    "AwardShown",
    "Balance",
    "BalancePart",
    "BatchAnswer",
    "BatchFile",
    "Brand",
    "Break",
    "BreakageReport",
    "BreakageRow",
    "Bucket",
    "Category",
    "Cell",
    "ClaimsReport",
    "ClaimsRow",
    "Client",
    "Clock",
    "Consumer",
    "Contact",
    "Counter",
    "Delivery",
    "DeliveryWithAttempts",
    "DeskHold",
    "DeskIdentifier",
    "DeskTransaction",
    "Digest",
    "Dispute",
    "Endpoint",
    "EndpointTest",
    "EndpointWithHealth",
    "EventType",
    "Expiring",
    "ExplainedBalance",
    "ExplainedMember",
    "Explanation",
    "ExposureReport",
    "ExposureRow",
    "FeedEvent",
    "FeedPage",
    "FoundMember",
    "Health",
    "HoldShown",
    "ItemAnswer",
    "KeptIdentifier",
    "LegalEntity",
    "LiabilityReport",
    "LiabilityRow",
    "Line",
    "Location",
    "Match",
    "MatchedEvent",
    "MatrixReport",
    "MatrixRow",
    "Member",
    "Moved",
    "MovementsReport",
    "MovementsRow",
    "MyTransaction",
    "Net",
    "NetOfPeriod",
    "Obligation",
    "OpenItem",
    "OwedAtLocation",
    "OwedOfDay",
    "OwedOfPeriod",
    "Paid",
    "PaidOfPeriod",
    "Part",
    "Partner",
    "PartyPosition",
    "Payment",
    "Person",
    "Placement",
    "Poll",
    "Position",
    "Rate",
    "Readiness",
    "Reconciliation",
    "Replay",
    "ReportOfDay",
    "ReportOfPeriod",
    "Request",
    "ReturnShown",
    "Returned",
    "Run",
    "RunDetail",
    "RunStep",
    "SandboxFault",
    "Seal",
    "SetAside",
    "Shortfall",
    "ShownMember",
    "Signature",
    "Standing",
    "StateChange",
    "Statement",
    "StatementDetail",
    "Stats",
    "Till",
    "Total",
    "Transaction",
    "WhatIfReport",
    "WhatIfRow",
]
