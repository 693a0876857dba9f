"""What a magic reference does to a webhook of the sandbox: delivered twice, or late and so behind others."""

from __future__ import annotations

import asyncio
import json

from partners import magic
from webhooks.deliveries import Claim, Result
from webhooks.sender import Sender

LATE_S = 15.0  # far less than the lease of a claim


async def send(sender: Sender, claim: Claim) -> Result:
    """Make the attempt, or two, as the reference in the event asks; the last one's result counts."""
    fault = magic.fault_in(str(json.loads(claim.body)["data"].get("reference", "")))
    if fault == "late_webhook" and claim.attempt_no == 1:
        await asyncio.sleep(LATE_S)
    result = await sender.send(claim)
    if fault == "duplicate_webhook" and result.succeeded:
        result = await sender.send(claim)
    return result
