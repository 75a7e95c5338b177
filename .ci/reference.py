"""Writes docs/reference.md: every field of every document, from the schemas that the tool itself publishes.

Usage: `.ci/reference.py` writes it, `.ci/reference.py --check` exits with 1 where it is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.documents import schemas

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
Schema = dict[str, Any]
_HEAD = """\
# Reference of all documents

Written by `make reference` from the schemas (`orchestrator schema KIND` prints them): a test fails when it is stale.
What they mean together is told in [documents](documents.md), [orders](orders.md) and [takedown](takedown.md).

"""


def page() -> str:
    """The whole page."""
    kinds = schemas.kinds()
    parts = [_HEAD, "".join(f"- [{kind}](#{kind.lower()})\n" for kind in kinds)]
    parts += [f"\n{text}" for kind in kinds for text in _kind(kind, schemas.schema(kind))]
    return "".join(parts)


def _kind(kind: str, schema: Schema) -> Iterator[str]:
    definitions: dict[str, Schema] = schema.get("$defs", {})
    spec = schema["properties"].get("spec")
    fields = spec if isinstance(spec, dict) and "properties" in spec else schema
    yield f"## {kind}\n\n{_sentence(schema)}{_table(fields, definitions)}"
    for name, part in definitions.items():
        if "properties" in part:
            yield f"### {kind}: {name}\n\n{_sentence(part)}{_table(part, definitions)}"


def _table(schema: Schema, definitions: dict[str, Schema]) -> str:
    required = set(schema.get("required", ()))
    rows = ["| field | type | default | meaning |\n|---|---|---|---|\n"]
    for name, field in schema["properties"].items():
        default = "" if "default" not in field else f"`{json.dumps(field['default'], ensure_ascii=False)}`"
        default = "required" if name in required and not default else default
        meaning = field.get("description") or _target(field, definitions).get("description", "")
        rows.append(f"| `{name}` | {_type(field, definitions)} | {default} | {_cell(meaning)} |\n")
    return "".join(rows)


def _type(field: Schema, definitions: dict[str, Schema]) -> str:
    if "$ref" in field:
        target = _target(field, definitions)
        return str(field["$ref"]).rpartition("/")[2] if "properties" in target else _type(target, definitions)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if choices := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(one, definitions) for one in choices))
    return _simple_type(field, definitions)


def _simple_type(field: Schema, definitions: dict[str, Schema]) -> str:
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    if isinstance(values := field.get("additionalProperties"), dict) and "properties" not in field:
        return f"map to {_type(values, definitions)}"
    return str(field.get("format") or field.get("type") or "any")


def _target(field: Schema, definitions: dict[str, Schema]) -> Schema:
    return definitions.get(str(field.get("$ref", "")).rpartition("/")[2], {})


def _sentence(schema: Schema) -> str:
    text = str(schema.get("description", "")).strip()
    return f"{text}\n\n" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is stale."""
    wanted = page()
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write("docs/reference.md is stale: `make reference` writes it anew\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
