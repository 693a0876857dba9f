"""The database's history, one numbered step per file; `kit.schema` walks it."""
