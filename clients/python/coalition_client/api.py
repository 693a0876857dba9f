"""Everything a client can do, by what it does it to. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.resources.admin_agreements import AdminAgreements
from coalition_client.resources.admin_brands import AdminBrands
from coalition_client.resources.admin_categories import AdminCategories
from coalition_client.resources.admin_clients import AdminClients
from coalition_client.resources.admin_contacts import AdminContacts
from coalition_client.resources.admin_locations import AdminLocations
from coalition_client.resources.admin_members import AdminMembers
from coalition_client.resources.admin_partners import AdminPartners
from coalition_client.resources.admin_placements import AdminPlacements
from coalition_client.resources.admin_rates import AdminRates
from coalition_client.resources.admin_settlement_reports import AdminSettlementReports
from coalition_client.resources.admin_settlement_runs import AdminSettlementRuns
from coalition_client.resources.admin_signatures import AdminSignatures
from coalition_client.resources.admin_staff import AdminStaff
from coalition_client.resources.admin_tills import AdminTills
from coalition_client.resources.batches import Batches
from coalition_client.resources.burns import Burns
from coalition_client.resources.disputes import Disputes
from coalition_client.resources.earns import Earns
from coalition_client.resources.event_consumers import EventConsumers
from coalition_client.resources.event_digests import EventDigests
from coalition_client.resources.event_types import EventTypes
from coalition_client.resources.events import Events
from coalition_client.resources.explanations import Explanations
from coalition_client.resources.holds import Holds
from coalition_client.resources.identifiers import Identifiers
from coalition_client.resources.me import Me
from coalition_client.resources.members import Members
from coalition_client.resources.obligations import Obligations
from coalition_client.resources.reconciliation_breaks import ReconciliationBreaks
from coalition_client.resources.reconciliations import Reconciliations
from coalition_client.resources.requests import Requests
from coalition_client.resources.returns import Returns
from coalition_client.resources.reversals import Reversals
from coalition_client.resources.sandbox_faults import SandboxFaults
from coalition_client.resources.settlement_runs import SettlementRuns
from coalition_client.resources.statements import Statements
from coalition_client.resources.test_clock import TestClock
from coalition_client.resources.transactions import Transactions
from coalition_client.resources.webhook_deliveries import WebhookDeliveries
from coalition_client.resources.webhook_endpoints import WebhookEndpoints
from coalition_client.resources.webhook_replays import WebhookReplays
from coalition_client.transport import Transport

API_VERSION = "2026-11-01"


class Admin:
    """What only the coalition's own clients may do (scopes `admin:read`, `admin:write`)."""

    def __init__(self, transport: Transport) -> None:
        self.partners = AdminPartners(transport)
        self.members = AdminMembers(transport)
        self.brands = AdminBrands(transport)
        self.categories = AdminCategories(transport)
        self.placements = AdminPlacements(transport)
        self.locations = AdminLocations(transport)
        self.tills = AdminTills(transport)
        self.contacts = AdminContacts(transport)
        self.staff = AdminStaff(transport)
        self.signatures = AdminSignatures(transport)
        self.clients = AdminClients(transport)
        self.rates = AdminRates(transport)
        self.agreements = AdminAgreements(transport)
        self.settlement_runs = AdminSettlementRuns(transport)
        self.settlement_reports = AdminSettlementReports(transport)


class Api:
    """The API, served in the version of 2026-11-01."""

    def __init__(self, transport: Transport) -> None:
        self.members = Members(transport)
        self.identifiers = Identifiers(transport)
        self.earns = Earns(transport)
        self.burns = Burns(transport)
        self.holds = Holds(transport)
        self.batches = Batches(transport)
        self.reversals = Reversals(transport)
        self.returns = Returns(transport)
        self.transactions = Transactions(transport)
        self.explanations = Explanations(transport)
        self.settlement_runs = SettlementRuns(transport)
        self.statements = Statements(transport)
        self.obligations = Obligations(transport)
        self.disputes = Disputes(transport)
        self.reconciliations = Reconciliations(transport)
        self.reconciliation_breaks = ReconciliationBreaks(transport)
        self.me = Me(transport)
        self.requests = Requests(transport)
        self.test_clock = TestClock(transport)
        self.sandbox_faults = SandboxFaults(transport)
        self.webhook_endpoints = WebhookEndpoints(transport)
        self.webhook_deliveries = WebhookDeliveries(transport)
        self.webhook_replays = WebhookReplays(transport)
        self.event_types = EventTypes(transport)
        self.events = Events(transport)
        self.event_consumers = EventConsumers(transport)
        self.event_digests = EventDigests(transport)
        self.admin = Admin(transport)
