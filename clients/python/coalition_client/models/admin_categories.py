"""The category tree, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Category(Answer):
    """A category; its path, such as food/bakery/, begins with its parent's."""

    category_id: str
    parent_id: str | None
    code: str
    path: str
    name: str
    created_at: datetime
