"""The alerts ask for figures there are, by labels these have, and the operator's page names all of both."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.metrics import Counter, Histogram
from ops.metrics import COUNTED, GAUGES

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "docs" / "prometheus" / "coalition.rules.yml").read_text("utf-8"))
TESTS = ROOT / "docs" / "prometheus" / "coalition.rules.test.yml"
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text("utf-8")
OURS = {"coalition_redis_up": set(), "coalition_database_up": {"coalition"}, "up": {"job"}}


def told() -> dict[str, set[str]]:
    """Every name Prometheus is told, with its labels."""
    found: dict[str, set[str]] = {**OURS, **{gauge.name: {"coalition"} for gauge in GAUGES}}
    for one in COUNTED:
        labels = {"coalition", *one.labels}
        if isinstance(one, Histogram):
            found |= {f"{one.name}_bucket": {"le", *labels}, f"{one.name}_sum": labels, f"{one.name}_count": labels}
        else:
            found[one.name] = labels
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_is_told(alert: dict[str, Any]) -> None:
    names = told()
    asked = re.findall(r"\b(up|coalition_\w+)(?:\{([^}]*)\})?", alert["expr"])
    assert asked
    grouped = {label.strip() for by in re.findall(r"\bby \(([^)]*)\)", alert["expr"]) for label in by.split(",")}
    for name, matchers in asked:
        assert name in names
        assert set(re.findall(r"(\w+)=", matchers)) <= names[name], name
    assert grouped <= set().union(*(names[name] for name, _ in asked))
    assert alert["labels"]["severity"] in ("page", "ticket")
    used = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
    assert used <= set().union(*(names[name] for name, _ in asked))


def test_each_alert_is_tried() -> None:
    tried = [one["alertname"] for test in yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
             for one in test.get("alert_rule_test", ()) if one.get("exp_alerts")]  # fmt: skip
    assert {alert["alert"] for alert in ALERTS} == set(tried)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed (Debian's package prometheus)")
def test_alerts_fire_when_they_should_and_only_then() -> None:
    for words in (["check", "rules", "coalition.rules.yml"], ["test", "rules", TESTS.name]):
        done = subprocess.run(["promtool", *words], cwd=TESTS.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_operators_page_says_what_to_do_about_each_alert() -> None:
    assert [alert["alert"] for alert in ALERTS if f"`{alert['alert']}`" not in PAGE] == []


def test_the_operators_page_names_each_figure() -> None:
    figures = [*OURS, *(one.name for one in (*COUNTED, *GAUGES))]
    assert [name for name in figures if name != "up" and f"`{name}`" not in PAGE] == []


def test_whatever_is_counted_is_told() -> None:
    """A counter that stands in the code and not in the list would be counted for nobody."""
    kinds = {kind.__name__ for kind in (Counter, *Counter.__subclasses__())}
    made = set()
    for room in ("kit", "coalition", "partners", "webhooks", "settlement", "console"):
        for path in (ROOT / room).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                match call:
                    case ast.Call(func=ast.Name(id=kind), args=[ast.Constant(value=str(name)), *_]) if kind in kinds:
                        made.add(name)
    assert made == {one.name for one in COUNTED}


def test_names_are_those_of_prometheus() -> None:
    for one in COUNTED:
        ending = r"_seconds" if isinstance(one, Histogram) else r"_total|_timestamp_seconds"
        assert re.fullmatch(rf"coalition_[a-z_]+({ending})", one.name)
        assert not {"job", "instance", "le"} & set(one.labels), "Prometheus has these for itself"
