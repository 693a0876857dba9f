"""/v1/admin/categories: the tree of what partners trade in."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import PREFIX, READ, WRITE, line, page, page_schema
from kit import ids
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

admin_categories_api = Blueprint(
    "admin-categories", __name__, url_prefix=f"{PREFIX}/categories", description="The category tree, for the admin"
)


class NewCategorySchema(ma.Schema):
    schema_description = "A category, under another or at the top of the tree."

    code = line(32, required=True)
    name = line(100, required=True)
    parent_id = Id(ids.CATEGORY, allow_none=True, load_default=None)


class CategoryChangeSchema(ma.Schema):
    schema_description = "The fields you can change. A category never moves in the tree."

    name = line(100, required=True)


class CategorySchema(ma.Schema):
    schema_description = "A category; its path, such as food/bakery/, begins with its parent's."

    category_id = Id(ids.CATEGORY)
    parent_id = Id(ids.CATEGORY, allow_none=True)
    code = ma.fields.String()
    path = ma.fields.String()
    name = ma.fields.String()
    created_at = ma.fields.AwareDateTime()


@admin_categories_api.post("")
@requires(admin_categories_api, WRITE)
@fails_with(categories.MalformedCategory, categories.CategoryNotFound, categories.CategoryTaken, texts.MalformedText)
@admin_categories_api.doc(summary="Add a category to the tree.", parameters=[DRY_RUN])
@admin_categories_api.arguments(NewCategorySchema())
@admin_categories_api.response(201, CategorySchema, headers=etags.ETAG)
def add(body: dict[str, Any]) -> Tagged[Category]:
    with services().writing() as session:
        made = categories.add(session, act(), **body)
    return etags.tagged(made, 201)


@admin_categories_api.get("")
@admin_categories_api.doc(summary="List the tree of categories, each parent before its children.")
@requires(admin_categories_api, READ)
@fails_with(InvalidCursor)
@admin_categories_api.arguments(PageQuery(), location="query")
@admin_categories_api.response(200, page_schema(CategorySchema))
def everything(query: dict[str, Any]) -> Page:
    return page(
        query,
        key="category_id",
        bound_to=[],
        fetch=lambda session, after, limit: categories.page(session, after=after, limit=limit),
    )


@admin_categories_api.get("/<category_id>")
@admin_categories_api.doc(summary="Get a category.")
@requires(admin_categories_api, READ)
@fails_with(categories.CategoryNotFound)
@admin_categories_api.response(200, CategorySchema, headers=etags.ETAG)
def get(category_id: str) -> Tagged[Category]:
    with services().reading() as session:
        return etags.tagged(categories.by_id(session, ids.parse(ids.CATEGORY, category_id)))


@admin_categories_api.patch("/<category_id>")
@requires(admin_categories_api, WRITE)
@fails_with(categories.CategoryNotFound, texts.MalformedText)
@admin_categories_api.doc(summary="Rename a category.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_categories_api.arguments(CategoryChangeSchema())
@admin_categories_api.response(200, CategorySchema, headers=etags.ETAG)
def rename(body: dict[str, Any], category_id: str) -> Tagged[Category]:
    expected_version = etags.expected_version()
    with services().writing() as session:
        wanted = ids.parse(ids.CATEGORY, category_id)
        changed = categories.rename(
            session, act(), category_id=wanted, name=body["name"], expected_version=expected_version
        )
    return etags.tagged(changed)
