"""Settings, ids, secrets, money, and the supervisor."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import ids, jobs, money, secrets, settings
from kit.secrets import Keyring, SealBroken
from kit.settings import SettingsError
from kit.supervisor import Program, Supervisor

KEYS = Keyring(bytes(range(32)))


def test_settings_survive_the_way_through_the_environment() -> None:
    made = settings.from_environment(
        {
            "COALITION_HTTP_PORT": "81",
            "COALITION_WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8, fd00::/8",
            "COALITION_WEBHOOK_ALLOW_HTTP": "true",
            "COALITION_DATA_DIR": "/x",
            "OTHER": "1",
        }
    )
    assert settings.from_environment(settings.to_environment(made)) == made
    assert made.http_port == 81


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", ""), ("HTTP_PORT", "８0"), ("HTTP_PORT", "65536"),
        ("WEB_THREADS", "1.5"), ("SECRET_KEY", "short"),
        ("CURRENCY", "gbp"), ("TIME_ZONE", "../etc"), ("WEBHOOK_ALLOW_HTTP", "yes"), ("LOG_FORMAT", "xml"),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8"), ("REDIS_URL", "http://x"), ("HTTP_HOST", "a b"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named_with_what_was_expected(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"COALITION_{name}: expected"):
        settings.from_environment({f"COALITION_{name}": value})


def test_a_bad_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        settings.from_environment({"COALITION_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(error.value)


@given(st.uuids())
def test_ids_come_back_from_how_they_are_shown(value) -> None:
    assert ids.parse(ids.MEMBER, ids.show(ids.MEMBER, value)) == value


@pytest.mark.parametrize(
    "text", ["", "mbr_", "mbr_x", "txn_01h45ytscbebyvny4gc8cr8ma2", "MBR_01h45ytscbebyvny4gc8cr8ma2"]
)
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(ids.MalformedId):
        ids.parse(ids.MEMBER, text)


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_for_its_purpose_only(plain: bytes) -> None:
    sealed = KEYS.seal_text(plain, purpose="a")
    assert KEYS.unseal_text(sealed, purpose="a") == plain
    for broken, purpose in ((sealed, "b"), (sealed[:-2], "a"), ("", "a"), ("ü", "a")):
        with pytest.raises(SealBroken):
            KEYS.unseal_text(broken, purpose=purpose)


def test_tokens_carry_a_checksum() -> None:
    token = secrets.new_token("co_at_live")
    assert secrets.token_is_wellformed("co_at_live", token)
    assert not secrets.token_is_wellformed("co_at_live", token[:-1])
    assert not secrets.token_is_wellformed("co_at_test", token)


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    chosen = settings.Settings(data_dir=tmp_path / "new")
    assert secrets.keyring(chosen) == secrets.keyring(chosen)
    assert (tmp_path / "new" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert "…" in repr(secrets.keyring(chosen))


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (1234, "GBP", "12.34 GBP"),
        (-5, "GBP", "-0.05 GBP"),
        (0, "EUR", "0.00 EUR"),
        (7, "JPY", "7 JPY"),
        (1, "KWD", "0.001 KWD"),
        (1, "CLF", "0.0001 CLF"),
        (-123456, "UYW", "-12.3456 UYW"),
    ],
)
def test_money_is_shown_in_its_currencys_units(minor: int, currency: str, shown: str) -> None:
    assert money.show(minor, currency) == shown


@pytest.mark.parametrize(
    ("currency", "units"), [("GBP", 100), ("JPY", 1), ("KWD", 1_000), ("CLF", 10_000), ("UYW", 10_000)]
)
def test_a_currency_has_as_many_minor_units_as_iso_4217_says(currency: str, units: int) -> None:
    assert money.minor_units(currency) == units
    assert money.show(units, currency).startswith("1")


def test_a_job_may_name_only_what_is_known_and_hold_only_plain_values() -> None:
    jobs.JobSerializer.known = ("a.b",)
    assert jobs.JobSerializer.loads(jobs.JobSerializer.dumps(("a.b", None, (), {}))) == ("a.b", None, (), {})
    for forbidden in (("os.system", None, ("true",), {}), ("a.b", None, (os.system,), {})):
        with pytest.raises(jobs.pickle.UnpicklingError):
            jobs.JobSerializer.loads(jobs.pickle.dumps(forbidden))


def test_a_crashed_child_is_restarted_and_all_end_on_stop() -> None:
    lines: list[tuple[str, str]] = []
    supervisor = Supervisor(lambda name, line: lines.append((name, line)))
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    supervisor.start(Program(name="child", argv=[sys.executable, "-c", code]))
    first = supervisor.pids()["child"]
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while supervisor.pids().get("child") == first and time.monotonic() < deadline:
        time.sleep(0.05)
    second = supervisor.pids()["child"]
    supervisor.stop()
    assert second != first
    assert any("signal SIGKILL" in line for _, line in lines)
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_a_child_that_does_not_stop_is_killed() -> None:
    lines: list[str] = []
    supervisor = Supervisor(lambda _, line: lines.append(line))
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    supervisor.start(Program(name="stubborn", argv=[sys.executable, "-c", code], stop_timeout_s=0.3))
    while "on" not in lines:
        time.sleep(0.02)
    supervisor.stop()
    assert any("did not stop" in line for line in lines)
