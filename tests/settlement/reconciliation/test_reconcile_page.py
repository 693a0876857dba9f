"""docs/how-to/reconcile.md, followed word by word."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from tests.conftest import World
from tests.service import terminal

__all__ = ["terminal"]
PAGE = (Path(__file__).parents[3] / "docs/how-to/reconcile.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return [text for of, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M) if of == kind]


def test_the_page_comes_out_as_it_says(world: World, terminal: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (mapping,), (theirs,), (printed,) = blocks("json"), blocks("csv"), blocks("")
    Path("mapping.json").write_text(mapping, "utf-8")
    Path("theirs.csv").write_text(theirs, json.loads(mapping)["encoding"])
    partner_id, member = world.partner("grocer").partner_id, world.member()
    world.give_terms(partner_id)
    for reference, kind, points, amount in re.findall(r"^\| (A-\d) \| (\w+) \| (\d+) \| (\d*) ?\|$", PAGE, re.M):
        if kind == "earn":
            earned = world.earn(partner_id, member, None, reference=reference, amount_minor=int(amount), currency="GBP")
            assert earned.points == int(points)
        else:
            world.burn(partner_id, member, int(points), reference=reference)
    break_id, said = "", ""
    for line in "".join(blocks("sh")).replace(".venv/bin/coalition ", "").splitlines():
        words = shlex.split(line.partition(" > ")[0].replace("BREAK_ID", break_id))
        done = terminal(*words)
        if words[:3] == ["settlement", "break", "resolve"]:
            assert done.exit_code == 0, done.output
            continue
        assert done.exit_code == 0, (line, done.output)
        said += done.output if words[1] == "reconcile" else ""
        if words[1] == "breaks" and "--csv" not in words:
            break_id = done.output.split()[0]
            types = sorted(row.split()[2] for row in done.output.splitlines())
            assert types == ["duplicate", "missing_here", "missing_there", "points_differ"]
    assert said == printed
