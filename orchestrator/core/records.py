"""What we keep in each cluster's own namespace: the catalogue, applied manifests, soaks. (Holds: `core.holds`.)

Pure conversions between values and ConfigMaps or Secrets. Nothing here carries a timestamp that a second, equal
apply would change: equal wishes give equal bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, SYSTEM_NAMESPACE, JsonObject, dig
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Want

CATALOGUE = "catalogue"
MANIFESTS = "manifests"
HOLD = "hold"
LOCK = "lock"
MOST_UNPACKED = 64 << 20
"""Bytes: sixty times what the largest Secret holds, and more than any manifests that somebody wrote."""
_GZIP = 31
"""`wbits` of zlib for a gzip header and trailer."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def revision_of(manifests: tuple[JsonObject, ...]) -> str:
    """The revision: a digest of rendered manifests (given without replicas, in any order), 16 hexadecimal digits."""
    lines = sorted(canonical_json(manifest) for manifest in manifests)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """What one cluster knows of one model: enough to recognise and stop it from any laptop."""

    __pydantic_config__ = DOCUMENT

    model: str
    want: Want
    revision: str | None = None
    """Revision of the manifests last applied; None for adopted workloads."""
    profile: str | None = None
    playbook: str | None = None
    """Playbook that last set this model here, and whose it is; a single command leaves that as it was."""
    objects: tuple[tuple[str, str, str, str], ...] = ()
    """(apiVersion, kind, namespace, name) of every object last applied or adopted, sorted."""
    replicas: dict[str, int] = field(default_factory=dict)
    """By printed workload name: wanted when last enabled, or seen just before the stop; adopted ones return to it."""
    definition: dict[str, Any] = field(default_factory=dict)
    """The model document (camelCase, without patches): match, routes, channels, by which any laptop recognises it."""
    soaked: dict[str, str] = field(default_factory=dict)
    """By `playbook/step`: the revision (or `disabled`) whose soak and checks passed here, and a digest of these."""

    @property
    def soak_mark(self) -> str:
        """What a soak that passed has proven: the revision, `adopted`, or `disabled`."""
        return "disabled" if self.want is Want.DISABLED else self.revision or "adopted"

    def has_soaked(self, key: str, proof: str) -> bool:
        """Whether exactly this `proof_of` a step has passed, under its `soak_key`, for what this entry says."""
        return self.soaked.get(key) == passed(self.soak_mark, proof)

    def still_soaked(self, before: Mapping[str, str]) -> dict[str, str]:
        """Those of earlier soaks that proved what this entry says."""
        return {step: mark for step, mark in before.items() if mark.partition(" ")[0] == self.soak_mark}

    def to_config_map(self) -> JsonObject:
        """The ConfigMap that keeps this entry."""
        data = {
            "want": self.want.value,
            "revision": self.revision,
            "profile": self.profile,
            "playbook": self.playbook,
            "objects": [list(parts) for parts in self.objects],
            "replicas": self.replicas,
            "definition": self.definition,
            "soaked": self.soaked,
        }
        return record(
            "ConfigMap",
            f"model.{self.model}",
            CATALOGUE,
            self.model,
            {"data": {"apiVersion": API_VERSION, "entry": canonical_json(data)}},
        )

    @classmethod
    def from_config_map(cls, obj: JsonObject) -> CatalogueEntry:
        """Read an entry; raises ValueError when it is none that this version understands."""
        if dig(obj, "data", "apiVersion") != API_VERSION:
            raise ValueError("catalogue entry of another version")
        if dig(obj, "metadata", "name") != f"model.{dig(obj, 'metadata', 'labels', LABEL_MODEL)}":
            raise ValueError("catalogue entry under another name: a copy, or another model's")
        try:
            data = json.loads(dig(obj, "data", "entry", default=""))
            return cls(
                model=obj["metadata"]["labels"][LABEL_MODEL],
                want=Want(data["want"]),
                revision=data["revision"],
                profile=data["profile"],
                playbook=data["playbook"],
                objects=tuple((str(a), str(k), str(ns), str(n)) for a, k, ns, n in data["objects"]),
                replicas={str(name): int(count) for name, count in data["replicas"].items()},
                definition=dict(data["definition"]),
                soaked={str(step): str(revision) for step, revision in data["soaked"].items()},
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"catalogue entry is damaged: {error}") from error


def passed(what: str, proof: str) -> str:
    """What is recorded of a step that passed: what was proven, and by what."""
    return f"{what} {proof}"


def proof_of(soak: float, checks: Iterable[Mapping[str, Any]]) -> str:
    """A digest of what a step demands (seconds, and checks in any order), 8 hexadecimal digits.

    A soak made longer, or a check added later, has not passed anywhere.
    """
    demands = [f"{float(soak):g}", *sorted(canonical_json(check) for check in checks)]
    return hashlib.sha256("\n".join(demands).encode()).hexdigest()[:8]


def soak_key(playbook: str | None, step: str) -> str:
    """Under which name the soak of a step is recorded; a single command's is never taken for a playbook's."""
    return f"{playbook or '-'}/{step}"


def record(kind: str, name: str, what: str, model: str, content: JsonObject) -> JsonObject:
    """An object of our namespace, labelled with what it records and for which model."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL_RECORD: what, LABEL_MODEL: model},
        },
        **content,
    }


def manifests_name(model: str, revision: str) -> str:
    """Name of the Secret that keeps a revision's manifests."""
    return f"manifests.{model}.{revision}"


def pack_manifests(model: str, revision: str, manifests: tuple[JsonObject, ...]) -> JsonObject:
    """The Secret that keeps applied manifests (they may hold Secrets, so a ConfigMap will not do)."""
    text = canonical_json(list(manifests)).encode()
    packed = base64.b64encode(gzip.compress(text, mtime=0)).decode()
    name = manifests_name(model, revision)
    return record("Secret", name, MANIFESTS, model, {"type": "orchestrator.dev/manifests", "data": {"gz": packed}})


def unpack(secret: JsonObject) -> bytes:
    """What a Secret of ours keeps packed under `gz`; raises ValueError where it is no gzip, or more than it can be.

    A megabyte, which is all that a Secret holds, may unpack to a thousand.
    """
    try:
        packed = base64.b64decode(dig(secret, "data", "gz", default=""))
        unpacking = zlib.decompressobj(wbits=_GZIP)
        found = unpacking.decompress(packed, MOST_UNPACKED)
    except (TypeError, zlib.error) as error:
        raise ValueError(f"not packed as we pack: {error}") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("more than it can be, or cut off")
    return found


def unpack_manifests(secret: JsonObject) -> tuple[JsonObject, ...]:
    """The manifests kept in a Secret; raises ValueError when they cannot be read."""
    try:
        found = json.loads(unpack(secret))
        if not isinstance(found, list) or not all(isinstance(manifest, dict) for manifest in found):
            raise TypeError("no list of objects")
        return tuple(found)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"applied manifests are damaged: {error}") from error
