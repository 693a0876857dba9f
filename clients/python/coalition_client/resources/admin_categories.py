"""The category tree, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.admin_categories import Category
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminCategories:
    """The category tree, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Category]:
        """List the tree of categories, each parent before its children.

        Needs the scope `admin:read`.
        """
        return self._transport.pages(
            Category,
            Call(
                method="GET",
                path="/v1/admin/categories",
                query=query(limit=limit),
            ),
        )

    def add(self, *, code: str, name: str, parent_id: str | None = None, dry_run: bool = False) -> Category:
        """Add a category to the tree.

        Needs the scope `admin:write`.
        """
        return self._transport.one(
            Category,
            Call(
                method="POST",
                path="/v1/admin/categories",
                query=query(dry_run=dry_run),
                body=given(code=code, name=name, parent_id=parent_id),
            ),
        )

    def get(self, category_id: str) -> Category:
        """Get a category.

        Needs the scope `admin:read`.

        category_id: An id that begins with `cat_`.
        """
        return self._transport.one(
            Category,
            Call(
                method="GET",
                path=path("/v1/admin/categories/{category_id}", category_id=category_id),
            ),
        )

    def rename(self, category_id: str, *, name: str, if_match: str, dry_run: bool = False) -> Category:
        """Rename a category.

        Needs the scope `admin:write`.

        category_id: An id that begins with `cat_`.
        """
        return self._transport.one(
            Category,
            Call(
                method="PATCH",
                path=path("/v1/admin/categories/{category_id}", category_id=category_id),
                query=query(dry_run=dry_run),
                body=given(name=name),
                if_match=if_match,
            ),
        )
