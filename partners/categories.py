"""What partners trade in: a tree of categories. A category never moves, so that no clause changes its meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.seen import AS_SEEN, Seen, changed
from partners import texts

DEEPEST = 6


class CategoryNotFound(NotFound):
    """No category has this id or path."""

    code = "category_not_found"
    title = "Category not found"


class CategoryTaken(Conflict):
    """There is a category with this code in the same place of the tree."""

    code = "category_taken"
    title = "Category taken"


class MalformedCategory(Invalid):
    """A category's code is 2 to 32 small letters, digits and hyphens; the tree is at most six categories deep."""

    code = "malformed_category"
    title = "Malformed category"


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


def add(session: Session, *, code: str, name: str, parent_id: UUID | None, now: datetime) -> Category:
    """A new category, under `parent_id` or at the top.

    Raises MalformedCategory, MalformedText, CategoryNotFound (the parent), CategoryTaken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,31}", code):
        raise MalformedCategory("a code is 2 to 32 small letters, digits and hyphens, a letter first")
    parent_path = by_id(session, parent_id).path if parent_id else None
    path = f"{parent_path or ''}{code}/"
    if path.count("/") > DEEPEST:
        raise MalformedCategory(f"the tree is at most {DEEPEST} categories deep")
    category = Category(ids.new(), parent_id, code, path, texts.text(name, what="name"), now)
    done = session.execute(
        text("""
            INSERT INTO partners.category (category_id, parent_id, parent_path, code, path, name, created_at)
            VALUES (:category_id, :parent_id, :parent_path, :code, :path, :name, :created_at)
            ON CONFLICT (path) DO NOTHING
        """),
        {**vars(category), "parent_path": parent_path},
    )
    if done.rowcount == 0:
        raise CategoryTaken(f"there is a category {path} already", path=path)
    return category


def rename(session: Session, *, category_id: UUID, name: str, seen: Seen = None) -> Category:
    """Call a category something else; its code and place stay. Raises CategoryNotFound, MalformedText, Stale."""
    done = session.execute(
        text(f"UPDATE partners.category SET name = :name WHERE category_id = :category_id AND {AS_SEEN}"),  # noqa: S608
        {"category_id": category_id, "name": texts.text(name, what="name"), "seen": seen},
    )
    found = by_id(session, category_id)
    if done.rowcount == 0:
        raise changed()
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
