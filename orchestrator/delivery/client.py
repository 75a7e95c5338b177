"""Changes one cluster, under one field manager, and tells the truth about writes whose answer was lost.

What may be sent twice, and why, stands in `retries`. Where a repetition meets its own earlier success, or an answer
never came, the object is read back: when it says what was written, the write took effect.
"""

from __future__ import annotations

from typing import Literal

from orchestrator.core.objects import FIELD_MANAGER, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.ports import Access
from orchestrator.delivery.channel import Call, Recovery
from orchestrator.delivery.readback import Says, has_precondition, says, says_patch
from orchestrator.delivery.reading import ClusterReading
from orchestrator.delivery.resources import resource_path
from orchestrator.errors import Conflict, Invalid, NotFound

_APPLY = "application/apply-patch+yaml"
_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}


class KubernetesCluster(ClusterReading):
    """Implements `core.ports.ClusterWriter`."""

    async def apply(self, manifest: JsonObject, *, force: bool = False, dry_run: bool = False) -> JsonObject:
        """Server-side apply under our field manager, strict on unknown fields. Raises `Conflict` with fields."""
        ref = ref_of(manifest)
        resource = await self._place(ref)
        call = Call(
            method="PATCH",
            path=resource_path(resource, ref.namespace, ref.name),
            access=_access("patch", resource, ref),
            query=(*_options(dry_run=dry_run), *((("force", "true"),) if force else ())),
            body=manifest,
            content_type=_APPLY,
        )
        return await self._write(resource, call, None if dry_run else self._recovery(ref, says(manifest)))

    async def create(self, obj: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create; `Conflict` when it is already there, unless our own lost write created it.

        An object named by `generateName` is never created twice, so a lost answer is then an error.
        """
        ref = ref_of(obj)
        resource = await self._place(ref)
        if resource.namespaced and not ref.namespace:
            raise Invalid(f"{ref} names no namespace")
        call = Call(
            method="POST",
            path=resource_path(resource, ref.namespace),
            access=_access("create", resource, ref),
            query=_options(dry_run=dry_run),
            body=obj,
            repeatable=dry_run or bool(ref.name),
        )
        recoverable = ref.name and not dry_run
        return await self._write(resource, call, self._recovery(ref, says(obj)) if recoverable else None)

    async def replace(self, obj: JsonObject) -> JsonObject:
        """Replace an object that carries its resourceVersion; `Conflict` when somebody wrote in between."""
        ref = ref_of(obj)
        if not dig(obj, "metadata", "resourceVersion"):
            raise Invalid(f"{ref}: without its resourceVersion it would replace whatever is there")
        resource = await self._place(ref)
        call = Call(
            method="PUT",
            path=resource_path(resource, ref.namespace, ref.name),
            access=_access("update", resource, ref),
            query=_options(dry_run=False),
            body=obj,
        )
        return await self._write(resource, call, self._recovery(ref, says(obj)))

    async def patch(
        self,
        ref: ObjectRef,
        patch: JsonObject | list[JsonObject],
        *,
        type_: Literal["merge", "strategic", "json"] = "merge",
        dry_run: bool = False,
    ) -> JsonObject:
        """Patch; a uid or resourceVersion in the patch's metadata is a precondition, and lets it be repeated."""
        resource = await self._place(ref)
        call = Call(
            method="PATCH",
            path=resource_path(resource, ref.namespace, ref.name),
            access=_access("patch", resource, ref),
            query=_options(dry_run=dry_run),
            body=patch,
            content_type=_PATCH_TYPES[type_],
            repeatable=dry_run or has_precondition(patch, type_),
        )
        try:
            return await self._write(resource, call, None if dry_run else self._recovery(ref, says_patch(patch, type_)))
        except Invalid as error:
            if "metadata.uid" in error.message and dig(patch, "metadata", "uid"):
                raise Conflict(f"{ref} is another object by now: {error.message}") from error
            raise

    async def scale(
        self, ref: ObjectRef, replicas: int, *, resource_version: str | None = None, dry_run: bool = False
    ) -> JsonObject:
        """Write `/scale`; returns the Scale object. The version, when given, is a precondition.

        Without it nothing is repeated after a lost answer, because that could undo what somebody else wrote meanwhile.
        """
        resource = await self._place(ref)
        path = resource_path(resource, ref.namespace, ref.name, "scale")
        access = Access("patch", resource.group, f"{resource.plural}/scale", ref.namespace)
        version = {"metadata": {"resourceVersion": resource_version}} if resource_version else {}
        call = Call(
            method="PATCH",
            path=path,
            access=access,
            query=_options(dry_run=dry_run),
            body={"spec": {"replicas": replicas}, **version},
            content_type=_PATCH_TYPES["merge"],
            repeatable=dry_run or resource_version is not None,
        )

        async def recover() -> JsonObject | None:
            scale = await self._channel.call(Call(method="GET", path=path, access=access))
            return scale if dig(scale, "spec", "replicas", default=0) == replicas else None

        return await self._write(resource, call, None if dry_run else recover)

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, grace_seconds: int | None = None
    ) -> None:
        """Delete the object with this uid (background propagation); nothing happens when it is gone already.

        Raises `Conflict` when the object with this uid is there, but may not be deleted now, or was written to since
        `resource_version`.
        """
        try:
            resource = await self._place(ref)
        except NotFound:
            return
        options: JsonObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})},
            "propagationPolicy": "Background",
        }
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        call = Call(
            method="DELETE",
            path=resource_path(resource, ref.namespace, ref.name),
            access=_access("delete", resource, ref),
            body=options,
        )

        async def recover() -> JsonObject | None:
            return {} if await self._is_going(ref, uid) else None

        try:
            await self._channel.call(call, recover)
        except NotFound as error:
            # Through `get`, which does not take the 404 of something in between for an absence.
            if not await self._is_going(ref, uid):
                raise Conflict(error.message) from error
        except Conflict:
            if not await self._is_going(ref, uid):
                raise

    async def _write(self, resource: Resource, call: Call, recover: Recovery | None) -> JsonObject:
        """Send, and remember how new the cluster is since: what is older proves nothing afterwards."""
        answer = await self._channel.call(call, recover)
        if ("dryRun", "All") not in call.query:
            self._freshness.take_object(resource, answer)
        return answer

    async def _is_going(self, ref: ObjectRef, uid: str) -> bool:
        live = await self.get(ref)
        return dig(live, "metadata", "uid") != uid or bool(dig(live, "metadata", "deletionTimestamp"))

    async def _place(self, ref: ObjectRef) -> Resource:
        await self.identify()
        return await self.resource(ref.api_version, ref.kind)

    def _recovery(self, ref: ObjectRef, is_as_written: Says) -> Recovery:
        async def recover() -> JsonObject | None:
            live = await self.get(ref)
            return live if live is not None and is_as_written(live) else None

        return recover


def _access(verb: str, resource: Resource, ref: ObjectRef) -> Access:
    return Access(verb, resource.group, resource.plural, ref.namespace)


def _options(*, dry_run: bool) -> tuple[tuple[str, str], ...]:
    strict = (("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"))
    return (*strict, ("dryRun", "All")) if dry_run else strict
