"""Documents → YAML that every reader understands alike: whatever might be read as something else is quoted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.fleet import Fleet
from orchestrator.core.schema import API_VERSION
from orchestrator.documents._checking import adapter
from orchestrator.documents._scalars import is_plain_string
from orchestrator.errors import UsageError


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 would read as another type as well; PyYAML itself looks after YAML 1.1 (`NO`, `on`)."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: documents are read by people."""
        return True


def _represent_string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if is_plain_string(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_string)


def dump(value: Any) -> str:
    """JSON values as YAML, keys in their own order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


def dump_fleet(fleet: Fleet) -> str:
    """The fleet as a document, without what has its default; clusters in the fleet's order."""
    spec = adapter(Fleet).dump_python(fleet, mode="json", by_alias=True, exclude_defaults=True)
    spec.setdefault("clusters", [])
    metadata = {"name": spec.pop("name")}
    return dump({"apiVersion": API_VERSION, "kind": "Fleet", "metadata": metadata, "spec": spec})


def write_fleet(path: Path, fleet: Fleet, *, overwrite: bool = False) -> None:
    """Write the fleet to a file, all at once or not at all.

    Comments of a file that is overwritten are lost. Raises UsageError when the file exists and `overwrite` is not
    given, or when it cannot be written.
    """
    write_text(path, dump_fleet(fleet), overwrite=overwrite)


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a whole file, all at once or not at all; raises UsageError like `write_fleet`."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            if overwrite:
                Path(temporary).replace(path)
            else:
                os.link(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint="name another file, or move this one away") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="name a file that can be written"
        ) from error
