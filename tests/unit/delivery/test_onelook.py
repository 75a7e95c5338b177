"""One look at a cluster: nothing is asked twice, and an object is taken from the list that has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrator.core.objects import ObjectRef, Resource
from orchestrator.core.ports import Listing
from orchestrator.delivery.onelook import OneLook
from orchestrator.errors import Forbidden, Unreachable

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
FABLE = ObjectRef("apps/v1", "Deployment", "serving", "fable")


@dataclass
class Asked:
    """A cluster that remembers what it was asked."""

    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def get(self, ref: ObjectRef) -> Any:
        self.asked.append(f"get {ref.name}")
        return {"metadata": {"name": ref.name}, "by": "get"}

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Any = None) -> Listing:
        self.asked.append(f"list {resource.plural} {namespace} {labels}".rstrip())
        if self.error is not None:
            raise self.error
        return Listing(({"metadata": {"name": "fable"}, "by": "list"},), "1")

    async def actor(self) -> str:
        return "somebody"


async def test_nothing_is_asked_twice() -> None:
    cluster = Asked()
    look = OneLook.through(cluster)  # type: ignore[arg-type]
    await look.list(DEPLOYMENTS, "serving")
    await look.list(DEPLOYMENTS, "serving")
    await look.list(DEPLOYMENTS, "serving", labels="a=b")
    assert await look.get(FABLE) == {"metadata": {"name": "fable"}, "by": "list"}
    assert await look.get(ObjectRef("apps/v1", "Deployment", "serving", "absent")) is None
    for _ in range(2):
        assert await look.get(ObjectRef("v1", "Service", "serving", "fable"))
    assert cluster.asked == ["list deployments serving", "list deployments serving a=b", "get fable"]
    assert await look.actor() == "somebody"


async def test_who_may_not_list_may_still_look_at_one() -> None:
    cluster = Asked(Forbidden("no"))
    look = OneLook.through(cluster)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        await look.list(DEPLOYMENTS, "serving")
    assert await look.get(FABLE) == {"metadata": {"name": "fable"}, "by": "get"}


async def test_a_cluster_that_does_not_answer_has_no_absent_objects() -> None:
    look = OneLook.through(Asked(Unreachable("gone")))  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        await look.list(DEPLOYMENTS, "serving")
    with pytest.raises(Unreachable):
        await look.get(FABLE)


async def test_what_is_asked_ahead_is_asked_once_and_disturbs_nobody() -> None:
    """Also where it fails and nobody ever wants it."""
    cluster = Asked(Forbidden("no"))
    look = OneLook(cluster)  # type: ignore[arg-type]
    look.ask_ahead([(DEPLOYMENTS, "serving")], [FABLE, ObjectRef("v1", "Service", "serving", "fable")])
    assert await look.get(ObjectRef("v1", "Service", "serving", "fable"))
    assert cluster.asked == ["list deployments serving", "get fable"]
