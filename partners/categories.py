"""What partners trade in: a tree of categories. A category never moves, so that no clause changes its meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed
from partners import texts

DEEPEST = 6


class CategoryNotFound(NotFound):
    code = "category_not_found"
    title = "Category not found"
    description = "No category has this id or path."
    remedy = (
        "List the categories with GET /v1/admin/categories or `coalition partner category list`. A path names each "
        "level, such as food/bakery."
    )


class CategoryTaken(Conflict):
    code = "category_taken"
    title = "Category taken"
    description = "A category with this code already exists at this place in the tree."
    remedy = "Use the existing category at this path, or choose another code."


class MalformedCategory(Invalid):
    code = "malformed_category"
    title = "Malformed category"
    description = (
        "A category's code has 2 to 32 lower-case letters, digits and hyphens. The tree is at most six categories deep."
    )
    remedy = "Begin the code with a letter, and put the category below a parent that is at most five deep."


@dataclass(frozen=True)
class Category:
    """A node of the tree; its path, such as `food/bakery/`, begins with its parent's."""

    category_id: UUID
    parent_id: UUID | None
    code: str
    path: str
    name: str
    created_at: datetime
    version: int = 1


_SELECT = "SELECT category_id, parent_id, code, path, name, created_at, version FROM partners.category"


def add(session: Session, act: Act, *, code: str, name: str, parent_id: UUID | None) -> Category:
    """A new category, under `parent_id` or at the top.

    Raises MalformedCategory, MalformedText, CategoryNotFound (the parent), CategoryTaken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,31}", code):
        raise MalformedCategory("a code has 2 to 32 lower-case letters, digits and hyphens, and begins with a letter")
    parent_path = by_id(session, parent_id).path if parent_id else None
    path = f"{parent_path or ''}{code}/"
    if path.count("/") > DEEPEST:
        raise MalformedCategory(f"the tree is at most {DEEPEST} categories deep")
    category = Category(ids.new(), parent_id, code, path, texts.text(name, what="name"), act.now)
    done = session.execute(
        text("""
            INSERT INTO partners.category (category_id, parent_id, parent_path, code, path, name, created_at)
            VALUES (:category_id, :parent_id, :parent_path, :code, :path, :name, :created_at)
            ON CONFLICT (path) DO NOTHING
        """),
        {**vars(category), "parent_path": parent_path},
    )
    if done.rowcount == 0:
        raise CategoryTaken(f"there is already a category {path}", path=path)
    audit.append(session, act, "category.added", category, path=path)
    return category


def rename(
    session: Session, act: Act, *, category_id: UUID, name: str, expected_version: ExpectedVersion = None
) -> Category:
    """Call a category something else; its code and place stay. Raises CategoryNotFound, MalformedText, Stale."""
    done = session.execute(
        text(f"UPDATE partners.category SET name = :name WHERE category_id = :category_id AND {AS_EXPECTED}"),  # noqa: S608
        {
            "category_id": category_id,
            "name": texts.text(name, what="name"),
            "expected_version": expected_version,
        },
    )
    found = by_id(session, category_id)
    if done.rowcount == 0:
        raise changed()
    audit.append(session, act, "category.renamed", found)
    return found


def by_id(session: Session, category_id: UUID) -> Category:
    """The category with this id; raises CategoryNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE category_id = :category_id"), {"category_id": category_id}).first()
    if row is None:
        raise CategoryNotFound("there is no such category")
    return Category(*row)


def by_path(session: Session, path: str) -> Category:
    """The category at `path`, such as food/bakery; raises CategoryNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE path = :path"), {"path": path.rstrip("/") + "/"}).first()
    if row is None:
        raise CategoryNotFound(f"there is no category {path}")
    return Category(*row)


def page(session: Session, *, after: UUID, limit: int) -> list[Category]:
    """Categories behind `after`, in the order they were made: parents before their children."""
    rows = session.execute(
        text(f"{_SELECT} WHERE category_id > :after ORDER BY category_id LIMIT :limit"),
        {"after": after, "limit": limit},
    )
    return [Category(*row) for row in rows]
