"""Cut routes stay cut: nobody undoes a cut, whichever of guard and cut arrived first, and our own cut passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject
from orchestrator.core.takedown import FieldCut
from tests.cluster.guarding.stage import Stage, cut

ANSWER = {"status": 451, "headers": [{"name": "link"}]}


def service(stage: Stage) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front", "namespace": stage.namespace},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80}]},
    }


async def test_a_cut_service_selector_stays_cut(stage: Stage) -> None:
    """The cut itself passes under the guard; then it is neither undone, changed, nor made anew by hand."""
    await stage.create(front := service(stage))
    held = {"orchestrator.dev/held": "0123"}
    change = FieldCut(pointer="/spec/selector", before={"app": "server"}, after=held)
    await stage.bind(stage.guard(cuts=(cut(front, fields=(change,)),)))
    assert not await stage.is_refused("annotate", "service", "front", "note=harmless"), "not cut yet, not touched"
    assert await stage.is_refused("patch", "service", "front", "-p", '{"spec":{"selector":{"app":"x"}}}')

    def replaced(selector: Any) -> str:
        return json.dumps([{"op": "replace", "path": "/spec/selector", "value": selector}])

    patch = ("patch", "service", "front", "--type=json", "-p")
    assert not await stage.is_refused(*patch, replaced(held))
    assert await stage.is_refused(*patch, replaced({"app": "server"}))
    assert await stage.is_refused(*patch, replaced({**held, "app": "server"}))
    assert not await stage.is_refused("annotate", "service", "front", "note=still-harmless", "--overwrite")
    assert not await stage.is_refused("patch", "service", "front", "-p", '{"spec":{"sessionAffinity":"ClientIP"}}')
    assert not await stage.is_refused("delete", "service", "front")
    assert await stage.is_refused_to_create(front), "the same route, uncut"
    assert not await stage.is_refused_to_create({**front, "spec": {**front["spec"], "selector": held}})
    other = {**front, "metadata": {"name": "other", "namespace": stage.namespace}}
    assert not await stage.is_refused_to_create(other)


async def test_a_route_that_was_cut_before_keeps_its_spec(stage: Stage) -> None:
    """A second takedown knows no fields any more: then nothing of the spec changes."""
    await stage.create(front := service(stage))
    await stage.bind(stage.guard(cuts=(cut(front, fields=()),)))
    assert await stage.is_refused("patch", "service", "front", "-p", '{"spec":{"selector":{"app":"x"}}}')
    assert not await stage.is_refused("annotate", "service", "front", "note=harmless")
    await stage.run("delete", "service", "front")
    assert await stage.is_refused_to_create(front)


async def test_one_rule_of_an_ingress_may_be_cut_while_others_change(stage: Stage) -> None:
    """Only the field that is cut is protected: the neighbour's rule in the same Ingress is its own affair."""

    def rule(host: str, name: str) -> JsonObject:
        backend = {"service": {"name": name, "port": {"number": 80}}}
        return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}

    rules = [rule("fable.example", "fable"), rule("other.example", "other")]
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "edge", "namespace": stage.namespace},
        "spec": {"rules": rules},
    }
    await stage.create(ingress)
    notice = rule("fable.example", "notice")["http"]
    change = FieldCut(pointer="/spec/rules/0/http", before=rules[0]["http"], after=notice)
    await stage.bind(stage.guard(cuts=(cut(ingress, fields=(change,)),)))

    def put(index: int, http: Any) -> tuple[str, ...]:
        operation = {"op": "replace", "path": f"/spec/rules/{index}/http", "value": http}
        return ("patch", "ingress", "edge", "--type=json", "-p", json.dumps([operation]))

    assert not await stage.is_refused(*put(0, notice))
    assert await stage.is_refused(*put(0, rules[0]["http"]))
    assert not await stage.is_refused(*put(1, rule("other.example", "new")["http"]))


@pytest.fixture
async def gates(stage: Stage) -> Any:
    """A route kind that nobody has a file for, whose schema fills in defaults."""
    group = f"{stage.namespace}.example"
    header = {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string", "default": "-"}}}
    answer = {
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "cache": {"type": "boolean", "default": False},
            "headers": {"type": "array", "items": header},
        },
    }
    spec = {"type": "object", "properties": {"answer": answer, "backend": {"type": "string"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    names = {"plural": "gates", "singular": "gate", "kind": "Gate"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gates.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    await stage.create(definition)
    await stage.run("wait", "--for=condition=Established", f"crd/gates.{group}", "--timeout=30s")
    yield group
    await stage.run("delete", "crd", f"gates.{group}")


async def test_the_cut_of_a_custom_route_passes_with_the_defaults_that_its_schema_adds(
    stage: Stage, gates: str
) -> None:
    """And so does the object that it refers to, which nobody changes afterwards."""

    def gate(name: str, spec: JsonObject) -> JsonObject:
        metadata = {"name": name, "namespace": stage.namespace}
        return {"apiVersion": f"{gates}/v1", "kind": "Gate", "metadata": metadata, "spec": spec}

    route, answer = gate("route", {"backend": "server"}), gate("answer", {"answer": ANSWER})
    await stage.create(route)
    fields = (
        FieldCut(pointer="/spec/backend", before="server", after=None),
        FieldCut(pointer="/spec/answer", before=None, after=ANSWER),
    )
    made = cut(route, fields=fields, creates=(answer,))
    await stage.bind(stage.guard(cuts=(made,), match=Match()))
    assert await stage.is_refused_to_create(gate("answer", {"answer": {"status": 200, "headers": []}}))
    assert not await stage.is_refused("create", "-f", "-", stdin=answer)
    assert not await stage.is_refused("patch", "gates", "route", "--type=json", "-p", json.dumps(made.patch()))
    assert (await stage.get("gates", "route"))["spec"]["answer"]["cache"] is False
    back = json.dumps({"spec": {"backend": "server"}})
    assert await stage.is_refused("patch", "gates", "route", "--type=merge", "-p", back)
    status = json.dumps({"spec": {"answer": {"status": 200}}})
    assert await stage.is_refused("patch", "gates", "route", "--type=merge", "-p", status)
    assert await stage.is_refused("patch", "gates", "answer", "--type=merge", "-p", status)
    assert not await stage.is_refused("annotate", "gates", "route", "note=harmless")
    assert not await stage.is_refused("annotate", "gates", "answer", "note=harmless")
