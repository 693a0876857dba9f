"""What a till does with one receipt, through the API only. Asked twice it posts nothing twice."""

from __future__ import annotations

from typing import Any

from console.replay.client import PartnerClient, Refused
from console.replay.receipts import Receipt, ReturnPart

POINT_WORTH_MINOR = 1  # what a point takes off a receipt
LEAST_FROM_OTHERS = 200  # points of other brands a member holds before any are burned


class Till:
    """The tills of all brands; each brand remembers which card is which member, by the id it knows that one by."""

    def __init__(self, clients: dict[str, PartnerClient]) -> None:
        self._clients = clients
        self._members: dict[tuple[PartnerClient, str], str] = {}

    async def ring_up(self, receipt: Receipt) -> None:
        """Post everything of `receipt`; raises Refused where the API says no, and posts nothing more of it then."""
        client = self._clients[receipt.brand]
        member_id = await self._member(client, receipt.card)
        if receipt.is_return:
            for part in receipt.parts:
                await self._take_back(client, receipt, part, member_id)
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

    async def _take_back(self, client: PartnerClient, receipt: Receipt, part: ReturnPart, member_id: str) -> None:
        common = {"reference": receipt.number, "effective_at": receipt.at.isoformat()}
        if part.purchase is None:
            amount = {"minor": part.amount_minor, "currency": receipt.currency}
            body = {"member_id": member_id, "amount": amount, **common}
            await client.post("/v1/clawbacks", body, key=f"clawback-{receipt.number}")
            return
        posted = await self._posted(client, part.purchase)
        if "earn" not in posted:
            raise Refused({"code": "purchase_unknown", "detail": f"purchase {part.purchase} is not posted"})
        burned = int(posted["burn"]["points"]) if "burn" in posted else 0
        worth = posted["earn"]["amount_minor"] + burned * POINT_WORTH_MINOR
        after = part.before_minor + part.amount_minor
        if after > worth:
            raise Refused({"code": "more_than_purchase", "detail": f"more returned than {part.purchase} was worth"})
        # The part paid with points comes back as points, the rest as money: in proportion, in whole points, and by
        # the sum of all returns so far, so that many small returns give back exactly what one large one does.
        back = burned * after // worth - burned * part.before_minor // worth
        money = part.amount_minor - back * POINT_WORTH_MINOR
        for kind, measure in (
            ("burn", {"points": back} if back else None),
            ("earn", {"amount": {"minor": money, "currency": receipt.currency}} if money else None),
        ):
            if measure is not None:
                await client.post(
                    f"/v1/transactions/{posted[kind]['transaction_id']}/reversals",
                    {**measure, **common},
                    key=f"{kind}-back-{receipt.number}-{part.purchase}",
                )

    async def _posted(self, client: PartnerClient, number: str) -> dict[str, dict[str, Any]]:
        found = await client.get("/v1/transactions", reference=number)
        return {transaction["kind"]: transaction for transaction in found["data"]}
