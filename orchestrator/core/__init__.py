"""Values that everybody shares, and the protocols between the rooms.

Frozen dataclasses of plain data: serialisable, comparable, without I/O. Classes that also describe YAML documents
or printed JSON carry `__pydantic_config__` (a plain dictionary), so that `documents` can validate them and publish
their schema; nothing here imports pydantic, a client or a terminal library.
"""
