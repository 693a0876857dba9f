"""Who asks is tried through the service that asks for it."""

from __future__ import annotations

from tests.service import admin as admin
from tests.service import app as app
from tests.service import browser as browser
from tests.service import caller as caller
from tests.service import credentials as credentials
from tests.service import http as http
from tests.service import mailbox as mailbox
from tests.service import make_app as make_app
from tests.service import served as served
from tests.service import served_site as served_site
from tests.service import site as site
from tests.service import terminal as terminal
from tests.service import till as till
from tests.service import unlimited as unlimited
