"""What a replay needs first: a test clock, and per brand a partner, its prices, a client, an endpoint."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from coalition import programme
from coalition.programme import Programme
from identity import clients
from kit import audit_cli
from kit.audit import Act
from kit.terminal import Desk
from partners import accounts, issuing
from partners.accounts import Partner, PartnerNotFound
from settlement.terms import Terms, take_on

# What the brands are worth, in the order of their codes: points per 100 minor units of whatever currency, and minor
# units the issuer pays per point burned. A brand's terms are as good in one currency as in another.
EARNING_RATES = tuple(map(Decimal, ("2", "1.5", "1", "2.5", "0.75")))
REDEMPTION_PRICES = tuple(map(Decimal, ("0.9", "0.85", "0.95", "0.8", "0.875")))


@dataclass
class BrandState:
    """What a brand's own system would keep: its client's and its endpoint's secrets."""

    client_id: str
    client_secret: str
    endpoint_id: str = ""
    endpoint_secret: str = ""


@dataclass
class State:
    """What outlives an interrupted replay, in a file only its owner may read."""

    path: Path
    receiver_port: int = 0
    brands: dict[str, BrandState] = field(default_factory=dict)

    def save(self) -> None:
        """Write it, whole or not at all."""
        draft = self.path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(
            json.dumps(
                {
                    "receiver_port": self.receiver_port,
                    "brands": {c: asdict(b) for c, b in self.brands.items()},
                }
            )
        )
        draft.replace(self.path)

    @property
    def journal(self) -> Path:
        """Where the receiver keeps what it has verified."""
        return self.path.with_suffix(".received")


def load_state(desk: Desk, founded: Programme) -> State:
    """The state of this coalition's replays: that of another database is never taken for it."""
    folder = desk.settings.data_dir / "replay"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = State(folder / f"{founded.programme_id}.json")
    if state.path.exists():
        kept = json.loads(state.path.read_text())
        state.receiver_port = kept["receiver_port"]
        state.brands = {code: BrandState(**brand) for code, brand in kept["brands"].items()}
    return state


def start_clock(desk: Desk, first: datetime) -> Programme:
    """Make this a demo coalition whose clock stands at or behind `first`, and where a card is enough to spend.

    Raises ClockRefused in a live one.
    """
    with desk.database.transaction() as session:
        if programme.get(session).test_now is None:
            programme.set_test_clock(session, to=first)
            # A recorded receipt says what was spent; nobody stands there to prove it.
            free = replace(programme.rules(session), pin_free_points=None, pin_free_points_per_day=None)
            programme.set_rules(session, _act(desk), free)
        return programme.get(session)


def prepare_brands(desk: Desk, state: State, codes: list[str], *, since: date) -> dict[str, Partner]:
    """Partners with rates, agreements and clients for all `codes`; what there is already stays as it is.

    Raises TermsMissing of one that issues points and whose terms begin after the replay does.
    """
    found: dict[str, Partner] = {}
    for n, code in enumerate(sorted(codes)):
        with desk.database.transaction() as session:
            act = _act(desk)
            try:
                partner = accounts.by_code(session, code)
                if partner.is_issuer:
                    issuing.require(session, partner.partner_id)
            except PartnerNotFound:
                terms = Terms(
                    EARNING_RATES[n % len(EARNING_RATES)], REDEMPTION_PRICES[n % len(REDEMPTION_PRICES)], since=since
                )
                partner = take_on(session, act, code=code, name=code.replace("-", " ").title(), terms=terms)
            if code not in state.brands:
                client, secret = clients.create(session, act, partner_id=partner.partner_id, scopes=None)
                state.brands[code] = BrandState(client.client_id, secret)
        state.save()
        found[code] = partner
    return found


def _act(desk: Desk) -> Act:
    return audit_cli.act(desk, reason="its receipts are replayed", by="the replay")
