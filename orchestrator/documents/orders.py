"""Orders are read from any path: who holds one at three in the morning may have nothing but a kubeconfig beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from orchestrator.core.order import About, Order
from orchestrator.documents._checking import adapter
from orchestrator.documents.envelope import Document, load
from orchestrator.documents.vocabulary import Vocabulary


def load_order(path: Path, vocabulary: Vocabulary, *, shown_as: str | None = None) -> Document[Order]:
    """The order in this file, wherever it lies. Raises DocumentError at the first line that is wrong."""
    return load(Order, path, vocabulary, shown_as=shown_as)


def read_about(about: Mapping[str, Any]) -> About:
    """What a hold is about, as a cluster keeps it. Raises ValueError when it is not understood."""
    try:
        return adapter(About).validate_json(orjson.dumps(dict(about)), strict=True)
    except (ValidationError, TypeError, orjson.JSONEncodeError) as error:
        raise ValueError("what it is about is not understood") from error
