"""The console's tests use the service over HTTP as the client's do."""

from __future__ import annotations

from tests.clients.conftest import service as service
