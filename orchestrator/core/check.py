"""What a file in `checks/` supplies: something to ask after a step, and a pure rule about the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from orchestrator.core.ports import Clock, Prober
from orchestrator.core.schema import Seconds, camel_case
from orchestrator.core.verdict import Assessment
from orchestrator.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """For which model in which cluster a check is made."""

    cluster: str
    region: str
    model: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `PLUGIN` of a file in `checks/`."""

    key: str
    """Name under which a step asks for it."""
    params: type[Any]
    """Dataclass of its parameters, as documents validate them."""
    gather: Callable[[Any, CheckContext, Prober], Awaitable[Any]]
    """Ask, as often as the parameters allow, and return what was seen last. Raises nothing of a client's."""
    judge: Callable[[Any, Any], Assessment]
    """Pure: parameters and what was seen → whether it passes."""

    def read(self, raw: Mapping[str, Any]) -> Any:
        """The parameters of a step's check from their document form (camelCase); raises UsageError."""
        return read_params(self.params, raw, self.key)


def read_params(params: type[Any], raw: Mapping[str, Any], key: str) -> Any:
    """A dataclass of parameters from its document form. Documents are validated before; this only reads them back."""
    hints = get_type_hints(params)
    known = {camel_case(field.name): field for field in fields(params)}
    if unknown := sorted(raw.keys() - known.keys()):
        raise UsageError(
            f"the check {key} takes no {', '.join(unknown)}", hint="docs/documents.md lists what each check takes"
        )
    needed = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    if missing := sorted(needed - raw.keys()):
        raise UsageError(
            f"the check {key} needs {', '.join(missing)}", hint="docs/documents.md lists what each check takes"
        )
    try:
        values = {known[name].name: _read(value, hints[known[name].name]) for name, value in raw.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(f"the check {key}: {error}", hint="docs/documents.md lists what each check takes") from error
    return params(**values)


def _read(value: Any, hint: Any) -> Any:
    if hint is Seconds:
        return Seconds.parse(value)
    return tuple(value) if isinstance(value, list) else value
