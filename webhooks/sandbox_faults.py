"""What a sandbox fault does to a webhook of the sandbox: delivered twice, or late and so behind others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from partners import sandbox_faults
from webhooks.queue import Claim, Result
from webhooks.sender import Sender
from webhooks.targets import Target

LATE_S = 15.0  # far less than the lease of a claim


async def send(sender: Sender, claims: Sequence[Claim], target: Target) -> list[Result]:
    """Make the attempt, or two, as the reference in the first event asks; the last one's results count."""
    first = claims[0]
    fault = sandbox_faults.fault_in(str(json.loads(first.body)["data"].get("reference", "")))
    if fault == "late_webhook" and first.attempt_no == 1:
        await asyncio.sleep(LATE_S)
    results = await sender.send(claims, target)
    if fault == "duplicate_webhook" and results[0].succeeded and results[0].duration_ms < 1000 * LATE_S:
        results = await sender.send(claims, target)
    return results
