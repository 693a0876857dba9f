"""Logs: what a line says, and that machines get JSON and nothing else."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import UUID

import pytest

from kit import ids, logs

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    "line", ["LOG:  checkpoint", "", "[1]", "{", "\x00\x1b", '{"a": 1}', "Traceback (most …", "[" * 9999]
)
def test_whatever_a_program_writes_becomes_one_json_object(line: str) -> None:
    relayed = logs.relayed("postgres", line)
    assert "\n" not in relayed
    told = json.loads(relayed)
    assert told["part"] == "postgres"
    assert told == {"part": "postgres", "a": 1} if line == '{"a": 1}' else told["event"] == line


def test_ids_are_those_that_people_see(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logs.event(
        logging.getLogger("x"), "did", partner_id=ID, member_id=ID, reference=ID, batch_id=None, event_id="evt_1"
    )
    facts: Any = caplog.records[0]
    assert facts.facts == {
        "partner_id": ids.show(ids.PARTNER, ID), "member_id": ids.show_our_own(ID), "reference": ID,
        "batch_id": None, "event_id": "evt_1",
    }  # fmt: skip
