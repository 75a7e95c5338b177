"""Reads one cluster: who it is, what it serves, objects and lists, and what we may do there.

Before anything else it asks which cluster answers. A cluster other than the pinned one gets no second request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime

from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import LABEL_SANDBOX, JsonObject, ObjectRef, Resource, dig
from orchestrator.core.ports import Access, Change, Identity, Keep, Listing
from orchestrator.core.text import printable
from orchestrator.delivery.apis import ServedApis, plain_get
from orchestrator.delivery.channel import Call, ClusterChannel
from orchestrator.delivery.freshness import Freshness
from orchestrator.delivery.resources import resource_path
from orchestrator.delivery.sharing import SingleFlight
from orchestrator.delivery.statuses import NOT_SERVED
from orchestrator.delivery.watching import follow
from orchestrator.errors import Forbidden, Gone, NotFound, Unreachable, WrongCluster

# Pages are what keeps a large list from making other clusters wait: parsing 100 pods takes about 5 ms, and a thread
# would not help, because the parser holds the interpreter there as well.
_PAGE = 100
_MOST_PAGES = 5000
"""A million objects: whoever promises yet another page is not followed for ever."""
_LISTINGS = 3


class ClusterReading:
    """Implements `core.ports.ClusterReader`."""

    def __init__(self, cluster: Cluster, channel: ClusterChannel) -> None:
        self._cluster, self._channel = cluster, channel
        self._identity: Identity | None = None
        self._other_uid: str | None = None
        self._ask_identity = SingleFlight(self._read_identity)
        self._apis = ServedApis(channel)
        self._freshness = Freshness()

    @property
    def cluster(self) -> Cluster:
        """The cluster of the fleet that this leads to."""
        return self._cluster

    @property
    def server_time(self) -> datetime | None:
        """What the API server's own clock said in its latest answer (to the second); None before there is one."""
        return self._channel.server_time

    async def identify(self) -> Identity:
        """Which cluster answers; asked once. Raises `WrongCluster`, then and ever after, when it is another."""
        if self._identity is not None:
            return self._identity
        if self._other_uid is None:
            return await self._ask_identity()
        raise self._wrong_cluster(self._other_uid)

    async def version(self) -> str:
        """The server's gitVersion."""
        await self.identify()
        answer = await self._channel.call(plain_get("/version"))
        return printable(answer.get("gitVersion") or "unknown", 64)

    async def actor(self) -> str:
        """Who the API server says we are (SelfSubjectReview)."""
        answer = await self._review("authentication.k8s.io", "SelfSubjectReview", {})
        return printable(dig(answer, "status", "userInfo", "username", default="unknown"), 200)

    async def allows(self, access: Access) -> bool:
        """Whether we may do this (SelfSubjectAccessReview)."""
        resource, _, subresource = access.resource.partition("/")
        attributes = {
            "verb": access.verb,
            "group": access.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": access.namespace,
        }
        answer = await self._review(
            "authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": attributes}
        )
        return dig(answer, "status", "allowed") is True

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Where objects of a kind are found; `NotFound` when the API is not served.

        Raises `ClusterError` (`other-version`) when the kind is served, but not in this version: its objects are there.
        """
        if (known := self._apis.known(api_version, kind)) is not None:
            return known
        await self.identify()
        return await self._apis.resource(api_version, kind)

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        """One object; None when it, or its API, is not there."""
        await self.identify()
        try:
            resource = await self.resource(ref.api_version, ref.kind)
            path = resource_path(resource, ref.namespace, ref.name)
            access = Access("get", resource.group, resource.plural, ref.namespace)
            least = self._freshness.of_object(resource, ref.namespace, ref.name)
            found = await self._apis.confirm_absence(Call(method="GET", path=path, access=access))
        except NotFound:
            return None
        if dig(found, "metadata", "name") != ref.name or found.get("kind") != ref.kind:
            raise Unreachable("the answer is another object than the one asked for", code="not-json")
        self._freshness.take_object(resource, found, least)
        return found

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> Listing:
        """A consistent list (resourceVersion unset), paged; all namespaces when none is given.

        Raises `NotFound` when the API is not served, `ClusterError` (`other-version`) when its kind is in another
        version alone, `Gone` when every attempt outlived the server's history.
        """
        await self.identify()
        await self._refuse_absent(resource)
        # Asked side by side: where it is not served, the list of APIs has to say so, too.
        ask = None if self._apis.is_served(resource) else asyncio.ensure_future(self._apis.check(resource))
        try:
            return await self._list(resource, namespace, labels, keep)
        except NotFound as absent:
            if absent.code == NOT_SERVED:
                await self._apis.refuse_other_versions(resource.api_version, resource.kind)
            raise
        except Forbidden:
            # Asked for what it does not serve, a server refuses first whoever may not list it.
            if ask is not None:
                await ask
                await self._refuse_absent(resource)
            raise
        finally:
            if ask is not None:
                ask.cancel()
                await asyncio.gather(ask, return_exceptions=True)

    async def _refuse_absent(self, resource: Resource) -> None:
        if self._apis.is_absent(resource):
            await self._apis.refuse_other_versions(resource.api_version, resource.kind)
            raise NotFound(f"the API server does not serve {resource.api_version}", code=NOT_SERVED, status=404)

    async def _list(self, resource: Resource, namespace: str, labels: str, keep: Keep | None) -> Listing:
        for attempt in range(1, _LISTINGS + 1):
            try:
                # When paging is too slow for the server's history, one large answer is better than none.
                limit = _PAGE if attempt < _LISTINGS else 0
                return await self._pages(_list_call(resource, namespace, labels), resource, keep, limit=limit)
            except Gone:
                if attempt == _LISTINGS:
                    raise
        raise AssertionError("unreachable")

    def follow(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> AsyncGenerator[Change, None]:
        """List, then watch without end; see `watching`."""
        call = _list_call(resource, namespace, labels)
        watch = replace(call, access=replace(call.access, verb="watch"))
        return follow(lambda: self.list(resource, namespace, labels=labels, keep=keep), self._channel, watch)

    async def _pages(self, call: Call, resource: Resource, keep: Keep | None, *, limit: int) -> Listing:
        items: list[JsonObject] = []
        token, least = "", self._freshness.of_list(resource)
        for _ in range(_MOST_PAGES):
            paging = {"limit": str(limit), "continue": token}
            query = (*call.query, *((key, value) for key, value in paging.items() if value and limit))
            page = await self._apis.confirm_absence(replace(call, query=query))
            found = _items(page, resource)
            # Judging a page takes long enough for other clusters to feel it.
            items += found if keep is None else await asyncio.to_thread(_kept, found, keep)
            token = dig(page, "metadata", "continue", default="")
            if not token:
                self._freshness.take_list(resource, page["metadata"]["resourceVersion"], least)
                return Listing(tuple(items), page["metadata"]["resourceVersion"])
        raise Unreachable("the list has no end", code="too-large")

    async def _review(self, group: str, kind: str, spec: JsonObject) -> JsonObject:
        await self.identify()
        plural = f"{kind.lower()}s"
        call = Call(
            method="POST",
            path=f"/apis/{group}/v1/{plural}",
            access=Access("create", group, plural),
            body={"apiVersion": f"{group}/v1", "kind": kind, "spec": spec},
        )
        return await self._channel.call(call)

    async def _read_identity(self) -> Identity:
        access = Access("get", "", "namespaces")
        try:
            namespace = await self._channel.call(
                Call(method="GET", path="/api/v1/namespaces/kube-system", access=access)
            )
        except NotFound as error:
            raise Unreachable("what answers has no kube-system namespace", code="not-json") from error
        uid = dig(namespace, "metadata", "uid")
        if not isinstance(uid, str) or namespace.get("kind") != "Namespace":
            raise Unreachable("what answers does not tell its identity", code="not-json")
        if self._cluster.uid is not None and uid != self._cluster.uid:
            self._other_uid = uid
            raise self._wrong_cluster(uid)
        self._identity = Identity(uid=uid, sandbox=LABEL_SANDBOX in dig(namespace, "metadata", "labels", default={}))
        return self._identity

    def _wrong_cluster(self, uid: str) -> WrongCluster:
        return WrongCluster(
            f"wrong cluster: context {printable(self._cluster.context_name, 100)!r} leads to {printable(uid, 40)}, "
            f"pinned is {printable(self._cluster.uid, 40)}",
            hint="mend the kubeconfig context, or pin the uid anew if this cluster was replaced on purpose",
        )


def _list_call(resource: Resource, namespace: str, labels: str) -> Call:
    return Call(
        method="GET",
        path=resource_path(resource, namespace),
        access=Access("list", resource.group, resource.plural, namespace),
        query=(("labelSelector", labels),) if labels else (),
    )


def _items(page: JsonObject, resource: Resource) -> list[JsonObject]:
    """The items of one page, each with the apiVersion and kind that lists leave out."""
    items = page.get("items")
    is_list = str(page.get("kind", "")).endswith("List") and dig(page, "metadata", "resourceVersion")
    if not is_list or not isinstance(items, list | None) or not all(isinstance(item, dict) for item in items or ()):
        raise Unreachable("the answer is no list of objects", code="not-json")
    for item in items or ():
        item.setdefault("apiVersion", resource.api_version)
        item.setdefault("kind", resource.kind)
    return items or []


def _kept(items: list[JsonObject], keep: Keep) -> list[JsonObject]:
    return [item for item in items if keep(item)]
