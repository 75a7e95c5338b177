"""A model document as a cluster's catalogue keeps it, read back."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import ValidationError

from orchestrator.core.model import Model
from orchestrator.documents._checking import adapter
from orchestrator.errors import OrchestratorError


def read_definition(name: str, definition: dict[str, Any]) -> Model:
    """The model that an entry defines. Raises OrchestratorError when another version wrote what we cannot read.

    Nothing is guessed then: a model that is recognised by half of its marks could be missed.
    """
    try:
        return adapter(Model).validate_json(orjson.dumps({**definition, "name": name}), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise OrchestratorError(
            f"the catalogue's definition of {name} is not understood at {place}: {first['msg']}",
            hint="use the version of this tool that wrote it, or a later one",
            code="damaged-entry",
        ) from error
