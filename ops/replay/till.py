"""What a till does with one receipt, through the API only. Asked twice it posts nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops.replay.client import PartnerClient, Refused
from ops.replay.receipts import Receipt, ReturnPart

POINT_WORTH_MINOR = 1  # what a point takes off a receipt
LEAST_FROM_OTHERS = 200  # points of other brands a member holds before any are burned


@dataclass(frozen=True)
class _Returned:
    """A reversal of a purchase's earn or burn, and the money it stands for."""

    reference: str
    kind: str
    points: int
    minor: int


class Till:
    """The tills of all brands; each brand remembers which card is which member, by the id it knows that one by."""

    def __init__(self, clients: dict[str, PartnerClient]) -> None:
        self._clients = clients
        self._members: dict[tuple[PartnerClient, str], str] = {}

    async def ring_up(self, receipt: Receipt) -> None:
        """Post everything of `receipt`; raises Refused where the API says no, and posts nothing more of it then.

        Of a return all parts are looked at before anything is posted; a refusal says which of them it is about, and
        which were posted before it.
        """
        client = self._clients[receipt.brand]
        member_id = await self._member(client, receipt.card)
        if receipt.is_return:
            await self._take_back(client, receipt, member_id)
        else:
            await self._sell(client, receipt, member_id)

    async def _member(self, client: PartnerClient, card: str) -> str:
        if (client, card) not in self._members:
            try:
                found = await client.post("/v1/members/lookup", {"card": card})
            except Refused as refusal:
                if refusal.problem_code != "member_not_found":
                    raise
                found = await self._enrol(client, card)
            self._members[client, card] = found["member_id"]
        return self._members[client, card]

    async def _enrol(self, client: PartnerClient, card: str) -> dict[str, Any]:
        try:
            return await client.post("/v1/members", {"card": card})
        except Refused as refusal:
            # The answer to an earlier try was lost: the member is there.
            if refusal.problem_code != "card_in_use":
                raise
            return await client.post("/v1/members/lookup", {"card": card})

    async def _sell(self, client: PartnerClient, receipt: Receipt, member_id: str) -> None:
        posted = await self._posted(client, receipt.number)
        if "earn" in posted:
            return
        burned = int(posted["burn"]["points"]) if "burn" in posted else await self._burn(client, receipt, member_id)
        await client.post(
            "/v1/earns",
            {
                "member_id": member_id,
                "amount": {
                    "minor": receipt.amount_minor - burned * POINT_WORTH_MINOR,
                    "currency": receipt.currency,
                },
                "reference": receipt.number,
                "effective_at": receipt.at.isoformat(),
            },
            key=f"earn-{receipt.number}",
        )

    async def _burn(self, client: PartnerClient, receipt: Receipt, member_id: str) -> int:
        balance = await client.get(f"/v1/members/{member_id}/balance")
        points = min(balance["available"], receipt.amount_minor // 2 // POINT_WORTH_MINOR)
        if balance["issued_by_others"] < LEAST_FROM_OTHERS or not points:
            return 0
        body = {
            "member_id": member_id,
            "points": points,
            "reference": receipt.number,
            "effective_at": receipt.at.isoformat(),
        }
        return int((await client.post("/v1/burns", body, key=f"burn-{receipt.number}"))["points"])

    async def _take_back(self, client: PartnerClient, receipt: Receipt, member_id: str) -> None:
        """One return for all the purchases that are known, then one clawback for what belongs to none."""
        known = [part for part in receipt.parts if part.purchase is not None]
        unknown = [part for part in receipt.parts if part.purchase is None]
        common = {"reference": receipt.number, "effective_at": receipt.at.isoformat()}
        transactions: list[dict[str, Any]] = []
        posted: list[ReturnPart] = []
        about = known
        try:
            for part in known:
                about = [part]
                transactions += await self._plan(client, receipt, part)
            about = known
            if transactions:
                returned = {"transactions": transactions, **common}
                await client.post("/v1/returns", returned, key=f"return-{receipt.number}")
            posted, about = known, unknown
            for part in unknown:
                amount = {"minor": part.amount_minor, "currency": receipt.currency}
                body = {"member_id": member_id, "amount": amount, **common}
                await client.post("/v1/clawbacks", body, key=f"clawback-{receipt.number}")
        except Refused as refusal:
            detail = f"{_named(about)}: {refusal.detail}; {_named(posted) or 'no part'} was posted"
            raise Refused({"code": refusal.problem_code, "detail": detail}) from refusal

    async def _plan(self, client: PartnerClient, receipt: Receipt, part: ReturnPart) -> list[dict[str, Any]]:
        """Of `part`'s purchase, what is to be returned of which transaction; nothing where this return is posted.

        The ledger says what was returned of it before, not the file.
        """
        bought = await self._posted(client, str(part.purchase))
        if "earn" not in bought:
            raise Refused({"code": "purchase_unknown", "detail": f"purchase {part.purchase} is not posted"})
        returned = await self._returned(client, bought)
        if any(each.reference == receipt.number for each in returned):
            return []
        back, money = _divide(part, bought, returned)
        measures: dict[str, dict[str, Any] | None] = {
            "burn": {"points": back} if back else None,
            "earn": {"amount": {"minor": money, "currency": receipt.currency}} if money else None,
        }
        return [
            {"transaction_id": bought[kind]["transaction_id"], **measure}
            for kind, measure in measures.items()
            if measure is not None
        ]

    async def _returned(self, client: PartnerClient, bought: dict[str, dict[str, Any]]) -> list[_Returned]:
        """Every reversal of the purchase so far."""
        kinds = {bought[kind]["transaction_id"]: kind for kind in ("earn", "burn") if kind in bought}
        references: set[str] = set()
        for transaction_id in kinds:
            explained = await client.get(f"/v1/transactions/{transaction_id}/explanation")
            references |= {each["reference"] for each in explained["followed_by"]}
        found = []
        for reference in sorted(references):
            for each in (await client.get("/v1/transactions", reference=reference))["data"]:
                if (kind := kinds.get(each["reverses_transaction_id"])) is not None:
                    minor = each["amount_minor"] if kind == "earn" else each["points"] * POINT_WORTH_MINOR
                    found.append(_Returned(reference, kind, each["points"], minor or 0))
        return found

    async def _posted(self, client: PartnerClient, number: str) -> dict[str, dict[str, Any]]:
        found = await client.get("/v1/transactions", reference=number)
        return {transaction["kind"]: transaction for transaction in found["data"]}


def _named(parts: list[ReturnPart]) -> str:
    return " and ".join(map(str, parts))


def _divide(part: ReturnPart, bought: dict[str, dict[str, Any]], returned: list[_Returned]) -> tuple[int, int]:
    """The points to give back and the money to take off, where `returned` came back before; raises Refused.

    The part paid with points comes back as points, the rest as money: in proportion, in whole points, and by the sum of
    all returns so far, so that many small returns give back exactly what one large one does.
    """
    burned = int(bought["burn"]["points"]) if "burn" in bought else 0
    worth = bought["earn"]["amount_minor"] + burned * POINT_WORTH_MINOR
    after = part.amount_minor + sum(each.minor for each in returned)
    if after > worth:
        raise Refused({"code": "more_than_purchase", "detail": f"more returned than {part.purchase} was worth"})
    given_back = sum(each.points for each in returned if each.kind == "burn")
    back = min(max(burned * after // worth - given_back, 0), part.amount_minor // POINT_WORTH_MINOR)
    return back, part.amount_minor - back * POINT_WORTH_MINOR
