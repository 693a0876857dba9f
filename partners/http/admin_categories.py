"""/v1/admin/categories: the tree of what partners trade in."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from kit import clock, ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import categories, texts
from partners.categories import Category
from partners.http.admin import PREFIX, READ, WRITE, line, page, page_schema
from partners.http.auth import requires

admin_categories_api = Blueprint(
    "admin-categories", __name__, url_prefix=f"{PREFIX}/categories", description="The category tree, for the admin"
)


class NewCategorySchema(ma.Schema):
    """A category, under another or at the top of the tree."""

    code = line(32, required=True)
    name = line(100, required=True)
    parent_id = Id(ids.CATEGORY, allow_none=True, load_default=None)


class CategoryChangeSchema(ma.Schema):
    """What can be changed; a category never moves."""

    name = line(100, required=True)


class CategorySchema(ma.Schema):
    """A category; its path, such as food/bakery/, begins with its parent's."""

    category_id = Id(ids.CATEGORY)
    parent_id = Id(ids.CATEGORY, allow_none=True)
    code = ma.fields.String()
    path = ma.fields.String()
    name = ma.fields.String()
    created_at = ma.fields.AwareDateTime()


@admin_categories_api.post("")
@requires(admin_categories_api, WRITE)
@fails_with(categories.MalformedCategory, categories.CategoryNotFound, categories.CategoryTaken, texts.MalformedText)
@admin_categories_api.doc(parameters=[DRY_RUN])
@admin_categories_api.arguments(NewCategorySchema())
@admin_categories_api.response(201, CategorySchema)
def add(body: dict[str, Any]) -> Category:
    """Grow the tree by a category."""
    with services().writing() as session:
        return categories.add(session, **body, now=clock.now())


@admin_categories_api.get("")
@requires(admin_categories_api, READ)
@fails_with(InvalidCursor)
@admin_categories_api.arguments(PageQuery(), location="query")
@admin_categories_api.response(200, page_schema(CategorySchema))
def everything(query: dict[str, Any]) -> Page:
    """The tree, parents before their children."""
    return page(
        query,
        key="category_id",
        bound_to=[],
        fetch=lambda session, after, limit: categories.page(session, after=after, limit=limit),
    )


@admin_categories_api.get("/<category_id>")
@requires(admin_categories_api, READ)
@fails_with(categories.CategoryNotFound)
@admin_categories_api.response(200, CategorySchema)
def get(category_id: str) -> Category:
    """One category."""
    with services().reading() as session:
        return categories.by_id(session, ids.parse(ids.CATEGORY, category_id))


@admin_categories_api.patch("/<category_id>")
@requires(admin_categories_api, WRITE)
@fails_with(categories.CategoryNotFound, texts.MalformedText)
@admin_categories_api.doc(parameters=[DRY_RUN])
@admin_categories_api.arguments(CategoryChangeSchema())
@admin_categories_api.response(200, CategorySchema)
def rename(body: dict[str, Any], category_id: str) -> Category:
    """Call a category something else."""
    with services().writing() as session:
        return categories.rename(session, category_id=ids.parse(ids.CATEGORY, category_id), name=body["name"])
