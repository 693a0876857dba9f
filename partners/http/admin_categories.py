"""/v1/admin/categories: the tree of what partners trade in."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import categories, texts
from partners.categories import Category
from partners.http.admin import PREFIX, READ, WRITE, line, page, page_schema, write_down
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
@admin_categories_api.response(201, CategorySchema, headers=etags.ETAG)
def add(body: dict[str, Any]) -> Tagged[Category]:
    """Grow the tree by a category."""
    with services().writing() as session:
        made = categories.add(session, **body, now=clock.now())
        write_down(session, "category.added", made, key="category_id", path=made.path)
    return etags.tagged(made, 201)


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
@admin_categories_api.response(200, CategorySchema, headers=etags.ETAG)
def get(category_id: str) -> Tagged[Category]:
    """One category."""
    with services().reading() as session:
        return etags.tagged(categories.by_id(session, ids.parse(ids.CATEGORY, category_id)))


@admin_categories_api.patch("/<category_id>")
@requires(admin_categories_api, WRITE)
@fails_with(categories.CategoryNotFound, texts.MalformedText)
@admin_categories_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_categories_api.arguments(CategoryChangeSchema())
@admin_categories_api.response(200, CategorySchema, headers=etags.ETAG)
def rename(body: dict[str, Any], category_id: str) -> Tagged[Category]:
    """Call a category something else."""
    seen = etags.seen()
    with services().writing() as session:
        wanted = ids.parse(ids.CATEGORY, category_id)
        changed = categories.rename(session, category_id=wanted, name=body["name"], seen=seen)
        write_down(session, "category.renamed", changed, key="category_id")
    return etags.tagged(changed)
