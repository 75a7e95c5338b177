"""Which APIs a server serves, asked for as rarely as can be: a table of known kinds, and the server's own lists.

What a server once served is taken for served until it answers otherwise, and then its own list of APIs has to agree.
What it does not serve is asked anew a moment later, because somebody may be installing it.
"""

from __future__ import annotations

from typing import Final

from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.ports import Access
from orchestrator.core.text import printable
from orchestrator.delivery.channel import Call, ClusterChannel
from orchestrator.delivery.resources import BUILT_IN, OPTIONAL, SERVED_BY_ALL, discovered, group_path
from orchestrator.delivery.sharing import SingleFlight
from orchestrator.delivery.statuses import NOT_SERVED
from orchestrator.errors import ClusterError, NotFound, Unreachable

_CONTRADICTION_PAUSES: Final = (0.1, 0.4, 0.0)
_RECENT: Final = 2.0
"""Seconds for which a list of APIs counts as what there is now: one look at a cluster asks for it once."""


class ServedApis:
    """What one API server serves."""

    def __init__(self, channel: ClusterChannel) -> None:
        self._channel = channel
        self._discovered: dict[str, dict[str, Resource]] = {}
        self._served: set[str] = set(SERVED_BY_ALL)
        self._versions: frozenset[str] = frozenset()
        self._told_at = float("-inf")
        self._ask = SingleFlight(self._read_versions)

    def known(self, api_version: str, kind: str) -> Resource | None:
        """Where objects of a kind are found, if that is known without asking."""
        optional = OPTIONAL.get((api_version, kind)) if api_version in self._served else None
        return BUILT_IN.get((api_version, kind)) or optional or self._discovered.get(api_version, {}).get(kind)

    def is_served(self, resource: Resource) -> bool:
        """Whether its group and version were seen to be served."""
        return resource.api_version in self._served or resource.api_version in self._discovered

    def is_absent(self, resource: Resource) -> bool:
        """Whether a list of APIs that is no older than a moment does not have its group and version."""
        is_recent = self._channel.clock.elapsed() - self._told_at <= _RECENT
        return is_recent and resource.api_version not in self._versions and resource.api_version not in SERVED_BY_ALL

    async def check(self, resource: Resource) -> None:
        """Learn whether its group and version are served."""
        await self._recent_versions()

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Where objects of a kind are found. Raises `NotFound`, or `ClusterError` (`other-version`)."""
        path = group_path(api_version)
        if (api_version, kind) in OPTIONAL and api_version in await self._recent_versions():
            return OPTIONAL[api_version, kind]
        try:
            if (api_version, kind) in OPTIONAL:
                raise NotFound(f"the API server does not serve {api_version}", code=NOT_SERVED, status=404)
            found = discovered(api_version, await self.confirm_absence(plain_get(path)))
        except NotFound:
            await self.refuse_other_versions(api_version, kind)
            raise
        self._discovered[api_version] = found
        if kind not in found:
            await self.refuse_other_versions(api_version, kind)
            told = f"{printable(kind, 100)} in {printable(api_version, 100)}"
            raise NotFound(f"the API server does not serve {told}", code=NOT_SERVED, status=404)
        return found[kind]

    async def confirm_absence(self, call: Call) -> JsonObject:
        """The answer; where a path is said not to be served, only after the server's own list of APIs says so too.

        A load balancer without its backend answers the same 404, and would make every object look gone. An API that is
        just being installed contradicts itself for a moment, so a contradiction is asked about again.
        """
        for pause in _CONTRADICTION_PAUSES:
            try:
                return await self._channel.call(call)
            except NotFound as absent:
                if absent.code != NOT_SERVED or await self._is_not_served(call):
                    raise
            await self._channel.clock.sleep(pause)
        raise Unreachable("status 404, but not as an API server answers", code="not-json", status=404)

    async def refuse_other_versions(self, api_version: str, kind: str) -> None:
        """Raise when the kind is served in another version: what is stored would pass for absent."""
        group, _, _ = api_version.rpartition("/")
        if not group:
            return
        versions = await self._recent_versions()
        for other in sorted(one for one in versions if one != api_version and one.startswith(f"{group}/")):
            if kind in discovered(other, await self._channel.call(plain_get(group_path(other)))):
                told = f"{printable(kind, 100)} is not served as {printable(api_version, 100)}"
                raise ClusterError(
                    f"{told}, but as {printable(other, 100)}: what is there of it cannot be told",
                    hint="name the version that this cluster serves",
                    code="other-version",
                )

    async def _is_not_served(self, call: Call) -> bool:
        api, group_version = call.path.split("/")[1], "/".join(call.path.split("/")[2:4])
        if api != "apis":
            return False
        try:
            # Twice: what was served a moment ago may have been taken away since.
            if group_version not in await self._recent_versions() or group_version not in await self._ask():
                self._served.discard(group_version)
                return True
            path = group_path(group_version)
            listed = discovered(group_version, await self._channel.call(plain_get(path)))
        except (NotFound, Unreachable) as error:
            if isinstance(error, Unreachable) and error.code != "not-json":
                raise
            return False
        return path != call.path and call.access.resource not in [resource.plural for resource in listed.values()]

    async def _recent_versions(self) -> frozenset[str]:
        """Every group and version that the server lists, as it said a moment ago at most."""
        if self._channel.clock.elapsed() - self._told_at > _RECENT:
            await self._ask()
        return self._versions

    async def _read_versions(self) -> frozenset[str]:
        try:
            groups = await self._channel.call(plain_get("/apis"))
        except NotFound as error:
            raise Unreachable("what answers has no list of APIs", code="not-json", status=404) from error
        try:
            found = frozenset(str(one["groupVersion"]) for group in groups["groups"] for one in group["versions"])
        except (KeyError, TypeError) as error:
            raise Unreachable("the list of APIs cannot be read", code="not-json") from error
        self._versions, self._told_at = found, self._channel.clock.elapsed()
        self._served = set(SERVED_BY_ALL | found)
        return found


def plain_get(path: str) -> Call:
    """A question that concerns no kind."""
    return Call(method="GET", path=path, access=Access("get", "", path))
