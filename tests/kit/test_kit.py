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
from typeid import TypeID

from kit import ids, jobs, money, secret_key, secrets, settings
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
        *(("PUBLIC_URL", url) for url in (
            "https://", "https://a b", "https://x/path?q#f", "https://x?", "https://x/#f", "https://u:p@x", "https://u@x",
            "https://x:y", "https://x:99999", "https://[::1", "https://[v1.x]", "https://a..b", "https://-", "https://x\\y",
            "https://ä.example", "https://x/%2e", "ftp://x", "https:x",
        )),
        ("TRUSTED_PROXIES", ","), ("TRUSTED_PROXIES", "10.0.0.0/8,"), ("TRUSTED_PROXIES", " "),
        ("WEBHOOK_ALLOWED_NETWORKS", ",10.0.0.0/8"),
        *(("TIME_ZONE", zone) for zone in (
            "posixrules", "localtime", "Factory", "posix/Europe/London", "right/UTC", "europe/london", "tzdata.zi", "",
        )),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named_with_what_was_expected(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"COALITION_{name}: expected"):
        settings.from_environment({f"COALITION_{name}": value})


@pytest.mark.parametrize(
    "url", ["https://x.example", "https://x.example:8443/coalition/", "http://127.0.0.1:8000", "https://[2001:db8::1]/"]
)
def test_a_public_address_may_have_a_port_and_a_path(url: str) -> None:
    assert settings.from_environment({"COALITION_PUBLIC_URL": url}).issuer == url.rstrip("/")


def test_where_we_listen_is_an_address_for_ipv6_too() -> None:
    assert settings.Settings(http_host="::1").issuer == "http://[::1]:8000"


def test_every_other_zone_of_the_list_is_taken() -> None:
    for zone in ("Europe/London", "UTC", "Pacific/Auckland", "America/Argentina/Buenos_Aires", "Etc/GMT+3", "GB"):
        assert settings.from_environment({"COALITION_TIME_ZONE": zone}).time_zone == zone


def test_a_bad_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        settings.from_environment({"COALITION_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_a_secret_may_stand_in_a_file(tmp_path) -> None:
    file = tmp_path / "key"
    file.write_text("5e" * 32 + "\n")
    made = settings.from_environment({"COALITION_SECRET_KEY_FILE": str(file)})
    assert made.secret_key == "5e" * 32
    assert settings.from_environment(settings.to_environment(made)) == made


def test_a_file_that_is_no_secrets_is_told_without_it(tmp_path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2")
    for variables, says in (
        ({"SECRET_KEY_FILE": str(file)}, "COALITION_SECRET_KEY: expected 64 hexadecimal digits"),
        (
            {"SECRET_KEY_FILE": str(file), "SECRET_KEY": "5e" * 32},
            "COALITION_SECRET_KEY_FILE: COALITION_SECRET_KEY is set",
        ),
        ({"REDIS_URL_FILE": str(tmp_path / "none")}, "COALITION_REDIS_URL_FILE: can't read .*: No such file"),
        ({"DATA_DIR_FILE": str(file)}, "COALITION_DATA_DIR_FILE is not a setting"),
    ):
        with pytest.raises(SettingsError, match=says) as error:
            settings.from_environment({f"COALITION_{name}": value for name, value in variables.items()})
        assert "hunter2" not in str(error.value)


@given(st.uuids())
def test_ids_come_back_from_how_they_are_shown_which_is_as_typeids(value) -> None:
    shown = ids.show(ids.LOT, value)
    assert ids.parse(ids.LOT, shown) == value
    assert TypeID.from_string(shown).uuid_bytes == value.bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "lot_",
        "lot_x",
        "01h45ytscbebyvny4gc8cr8ma2",
        "txn_01h45ytscbebyvny4gc8cr8ma2",
        "LOT_01h45ytscbebyvny4gc8cr8ma2",
        "lot_01H45YTSCBEBYVNY4GC8CR8MA2",
        "lot__01h45ytscbebyvny4gc8cr8ma2",
        "lot_01h45ytscbebyvny4gc8cr8ma",
        "lot_01h45ytscbebyvny4gc8cr8ma22",
        "lot_81h45ytscbebyvny4gc8cr8ma2",  # more than 128 bits
        "lot_01h45ytscbebyvny4gc8cr8mau",
        "lot_01h45ytscbebyvny4gc8cr8ma²",
        " lot_01h45ytscbebyvny4gc8cr8ma2",
        "lot_01h45ytscbebyvny4gc8cr8ma2\n",
    ],
)
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(ids.MalformedId):
        ids.parse(ids.LOT, text)


def test_who_asks_for_ever_other_keys_fills_no_memory_and_gets_the_same_ones_again() -> None:
    keyring = Keyring(b"k" * 32)
    first = keyring.public_key(purpose="number 0")
    for number in range(secrets.MOST_KEPT + 10):
        keyring.public_key(purpose=f"number {number}")
    assert max(len(secrets._derived), len(secrets._signers)) <= secrets.MOST_KEPT
    assert keyring.public_key(purpose="number 0") == first


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
    assert secret_key.of(chosen) == secret_key.of(chosen)
    assert (tmp_path / "new" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert secret_key.of(chosen).hex not in repr(secret_key.of(chosen))
    assert "…" in repr(KEYS)


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


@given(st.integers(-(10**12), 10**12), st.sampled_from(["GBP", "JPY", "KWD", "CLF"]))
def test_an_amount_written_as_a_decimal_is_read_back(minor: int, currency: str) -> None:
    assert money.from_decimal(money.as_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [("12", "GBP", 1200), ("12.3", "GBP", 1230), ("12.", "GBP", 1200), ("+1.500", "GBP", 150), ("7.00", "JPY", 7)],
)
def test_a_decimal_may_have_fewer_digits_or_noughts(written: str, currency: str, minor: int) -> None:
    assert money.from_decimal(written, currency) == minor


@pytest.mark.parametrize("written", ["", ".5", "1,00", "1e2", " 1", "1 ", "1.001", "--1", "NaN", "٣", "1" * 19, "1\n"])
def test_what_is_no_amount_or_too_fine_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"not an amount|finer"):
        money.from_decimal(written, "GBP")


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


def test_a_log_that_cannot_be_written_keeps_no_child_from_running_and_none_from_coming_back(tmp_path: Path) -> None:
    """On a full disk what children say is lost, and they go on: more of it than a pipe holds, too."""

    def full(name: str, line: str) -> None:
        with Path("/dev/full").open("w", encoding="utf-8") as log:
            log.write(line)

    ran = tmp_path / "ran"
    code = f"print(('x' * 999 + '\\n') * 200, flush=True); open({str(ran)!r}, 'a').write('1')"
    supervisor = Supervisor(full)
    supervisor.start(Program(name="talker", argv=[sys.executable, "-c", code]))
    deadline = time.monotonic() + 20
    while not (supervisor.failing() and ran.read_text() >= "111") and time.monotonic() < deadline:
        time.sleep(0.05)
    failing = supervisor.failing()
    supervisor.stop()
    assert failing is not None
    assert failing.startswith("talker ended 3 times, its last words: ")


def test_a_child_that_does_not_stop_is_killed() -> None:
    lines: list[str] = []
    supervisor = Supervisor(lambda _, line: lines.append(line))
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    supervisor.start(Program(name="stubborn", argv=[sys.executable, "-c", code], stop_timeout_s=0.3))
    while "on" not in lines:
        time.sleep(0.02)
    supervisor.stop()
    assert any("did not stop" in line for line in lines)


def test_a_child_is_told_its_own_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COALITION_DATABASE_OWNER_URL", "postgresql://owner:secret@db/coalition")
    lines: list[str] = []
    supervisor = Supervisor(lambda _, line: lines.append(line))
    code = "import os, time; print(sorted(n for n in os.environ if n.startswith('COALITION_'))); time.sleep(60)"
    environment = {"COALITION_HTTP_PORT": "81", "PYTHONUNBUFFERED": "1"}
    supervisor.start(Program(name="child", argv=[sys.executable, "-c", code], environment=environment))
    while not lines:
        time.sleep(0.02)
    supervisor.stop()
    assert lines == ["['COALITION_HTTP_PORT']"]
