"""The database's history, one numbered step per file; `kit.schema` walks it."""

from pathlib import Path

SQL = Path(__file__).with_name("sql")

# The last step of the oldest version whose processes may go on working on this version's schema: the version before,
# with which tests/e2e/test_two_versions.py tries it.
SERVES_FROM = "0060"
