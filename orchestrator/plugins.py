"""Finds the PLUGIN, or the tuple PLUGINS, of each file in `kinds/` and `checks/`: adding one is adding one file.

The only magic of the house. It registers nothing at import time and knows no kind or check by name; what no file
describes is found nowhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from orchestrator.core.check import Check
from orchestrator.core.kind import Kind
from orchestrator.core.objects import GroupKind

_Key = TypeVar("_Key", bound=Hashable)
_Plugin = TypeVar("_Plugin")


@cache
def kinds() -> Mapping[GroupKind, Kind]:
    """The rules of every kind that a file in `kinds/` describes."""
    return _find("orchestrator.kinds", Kind, lambda kind: kind.group_kind)


@cache
def switched() -> frozenset[GroupKind]:
    """Kinds that are switched by their number of replicas, written through `/scale`."""
    return frozenset(key for key, kind in kinds().items() if kind.workload is not None and kind.workload.is_scalable)


@cache
def checks() -> Mapping[str, Check]:
    """Every check that a file in `checks/` describes, by the name that steps use."""
    return _find("orchestrator.checks", Check, lambda check: check.key)


def _find(package: str, type_: type[_Plugin], key: Callable[[_Plugin], _Key]) -> Mapping[_Key, _Plugin]:
    found: dict[_Key, _Plugin] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        for plugin in _plugins_of(importlib.import_module(module.name)):
            if not isinstance(plugin, type_):
                raise TypeError(f"{module.name}: PLUGIN is no {type_.__name__}")
            if key(plugin) in found:
                raise TypeError(f"{module.name}: {key(plugin)} is described twice")
            found[key(plugin)] = plugin
    return MappingProxyType(found)


def _plugins_of(module: Any) -> tuple[Any, ...]:
    plugins = getattr(module, "PLUGINS", None) or (getattr(module, "PLUGIN", None),)
    return tuple(plugins)
