"""Endpoints that list models: what they answer, read without trust.

An answer is a list, a refusal, or nothing. Only a terminal 4xx that speaks of the thing asked for (403, 404, 410, 451)
refuses. A 401 or 400 says nothing of the model, a 5xx may pass, and silence proves nothing.
"""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from orchestrator.core.model import Model, Probe
from orchestrator.core.observation import ProbeOutcome, Subject
from orchestrator.core.ports import HttpAnswer, HttpRequest, Prober
from orchestrator.core.redaction import without_credentials
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError

_REFUSALS = frozenset({403, 404, 410, 451})


async def ask_probes(subject: Subject, prober: Prober) -> tuple[ProbeOutcome, ...]:
    """Ask every probe of the model once, side by side. Never raises for what an endpoint does.

    Probes concern the cluster as they stand in the subject: whoever makes it leaves out those of other scopes.
    """
    return tuple(await asyncio.gather(*(_ask(probe, subject, prober) for probe in subject.model.probes)))


async def _ask(probe: Probe, subject: Subject, prober: Prober) -> ProbeOutcome:
    url = address_of(probe, subject.cluster, subject.region)
    try:
        answer = await prober.ask(HttpRequest(url=url, headers={"Accept": "application/json"}))
    except ClusterError as error:
        return ProbeOutcome(printable(without_credentials(url)), None, refused=False, message=printable(error.message))
    return read_answer(url, answer)


def address_of(probe: Probe, cluster: str, region: str) -> str:
    """The URL that a probe asks in one cluster."""
    base = probe.url.replace("{cluster}", quote(cluster, safe="")).replace("{region}", quote(region, safe=""))
    return base.rstrip("/") + "/" + probe.path.lstrip("/")


def read_answer(url: str, answer: HttpAnswer) -> ProbeOutcome:
    """What an answer says: the names it lists (`{"data": [{"id": …}]}`), a refusal, or neither."""
    shown = printable(without_credentials(url))
    if answer.status in _REFUSALS:
        return ProbeOutcome(shown, None, refused=True, message=f"HTTP {answer.status}")
    if answer.status != 200:
        return ProbeOutcome(shown, None, refused=False, message=f"HTTP {answer.status}")
    try:
        data = json.loads(answer.body)["data"]
        names = tuple(printable(entry["id"]) for entry in data)
        # An empty mapping or text would read as a list of nothing.
        if not isinstance(data, list):
            raise TypeError("data is no list")
    except (ValueError, TypeError, KeyError, RecursionError):
        return ProbeOutcome(shown, None, refused=False, message="HTTP 200, but no list of models")
    return ProbeOutcome(shown, names, refused=False, message=f"HTTP 200, {len(names)} models")


def may_serve(outcome: ProbeOutcome, model: Model) -> bool:
    """Whether the model may still be served there: listed by one of its names, or neither listed nor refused."""
    if outcome.names is None:
        return not outcome.refused
    return bool(set(model.served_names).intersection(outcome.names))
