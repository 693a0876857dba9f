"""A partner's own file compared with what it posted: how the file is read, what matches, and what differs."""
