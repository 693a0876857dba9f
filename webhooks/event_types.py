"""The catalogue of events as this room uses it; it stands in `coalition`, where erasure needs it too."""

from coalition.event_types import EVENT_TYPES, EventType, fields_of, matches, patterns

__all__ = ["EVENT_TYPES", "EventType", "fields_of", "matches", "patterns"]
