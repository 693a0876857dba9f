"""The codes by which files and commands call parties: each partner has its own, and the coalition this one."""

COALITION = "coalition"
