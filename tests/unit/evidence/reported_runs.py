"""Recorded runs to report on: what a takedown over twelve countries leaves behind, whole or spoilt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.evidence import FileJournal, read_run, run_directory, write_about, write_result
from orchestrator.evidence.report import ReportView, view_of
from orchestrator.geo.jurisdictions import load_jurisdictions

RUN = "20261123T204500Z-3f9a"
BEGAN = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
REGIONS = {
    "IE": "eu-west-1",
    "DE": "eu-central-1",
    "FR": "eu-west-3",
    "NL": "eu-west-4",
    "SE": "eu-north-1",
    "GB": "uk-south-1",
    "US": "us-east-1",
    "CA": "ca-central-1",
    "BR": "sa-east-1",
    "SG": "ap-southeast-1",
    "JP": "ap-northeast-1",
    "IS": "is-north-1",
}
JsonObject = dict[str, Any]


def after(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def recorded_item(model: str = "fable-5", country: str = "IE", verdict: str = "verified", **fields: Any) -> JsonObject:
    """One item as a result tells it, with times that fit its verdict."""
    known = verdict != "unreachable"
    steps = {"started": 0.1, "guarded": 0.8, "stopped": 1.2, "lastPodGone": 3.1, "verified": 18.4}
    times = {step: after(seconds) if known else None for step, seconds in steps.items()}
    return {
        "model": model,
        "cluster": f"{REGIONS.get(country, 'nowhere-1')}a",
        "region": REGIONS.get(country, "nowhere-1"),
        "country": country,
        "want": "disabled",
        "state": {"verified": "disabled", "residue": "enabled"}.get(verdict, "unknown"),
        "revision": None,
        "changed": known,
        "verdict": verdict,
        "reasons": [] if verdict == "verified" else [{"code": "why", "object": None, "message": f"because {verdict}"}],
        "replicas": {"desired": 0, "ready": 0, "pods": 0},
        "holds": ["directive-2026-06-12"] if known else [],
        "guard": "proven" if known else "none",
        "times": {**times, "trafficCut": None, "verified": times["verified"] if verdict == "verified" else None},
        **fields,
    }


def world_wide(**verdicts: str) -> list[JsonObject]:
    """Two models in twelve countries; the verdict on both, by country, where it is not `verified`."""
    return [
        recorded_item(model, country, verdicts.get(country, "verified"))
        for country in REGIONS
        for model in ("fable-5", "mythos-5")
    ]


def about(items: Iterable[JsonObject], **fields: Any) -> JsonObject:
    """What a takedown of these items was about."""
    return {
        "action": "takedown",
        "orderName": "directive-2026-06-12",
        "orderDigest": "ab" * 32,
        "orderReceived": after(-300),
        "deadline": after(6900),
        "localUser": "jo",
        "models": sorted({str(item["model"]) for item in items}),
        "planDigest": "cd" * 32,
        "toolVersion": "0.1",
        "startedAt": after(0),
        "scope": [
            {
                "step": "takedown",
                "clusters": sorted({str(one["cluster"]) for one in items if one["verdict"] != "unreachable"}),
                "unreachable": sorted({str(one["cluster"]) for one in items if one["verdict"] == "unreachable"}),
                "words": ["nationality: not verified by this platform, so every cluster"],
            }
        ],
        **fields,
    }


def result(items: list[JsonObject], **fields: Any) -> JsonObject:
    """The result that these items came to."""
    proven = all(item["verdict"] == "verified" for item in items)
    return {
        "run": RUN,
        "action": "takedown",
        "order": "directive-2026-06-12",
        "rehearsal": False,
        "outcome": "verified" if proven else "unproven",
        "exitCode": 0 if proven else 3,
        "seconds": 20.0,
        "error": None,
        "items": items,
        "channels": [],
        **fields,
    }


def events(items: Iterable[JsonObject]) -> list[Event]:
    """What the journal of that run tells; of a cluster out of reach it tells nothing."""
    found = [Event(type=EventType.RUN_STARTED, at=BEGAN, data={"run": RUN})]
    for item in items:
        place = {"cluster": item["cluster"], "model": item["model"]}
        if item["verdict"] != "unreachable":
            at = BEGAN + timedelta(seconds=19)
            found.append(Event(type=EventType.ITEM_STARTED, at=BEGAN, data={"actor": "oidc:jo"}, **place))
            found.append(Event(type=EventType.ITEM_ENDED, at=at, data={"verdict": item["verdict"]}, **place))
    return [*found, Event(type=EventType.RUN_ENDED, at=BEGAN + timedelta(seconds=20), data={})]


def keep(
    state: Path,
    items: list[JsonObject],
    *,
    told: list[Event] | None = None,
    header: JsonObject | None = None,
    outcome: JsonObject | None = None,
) -> Path:
    """The folder of a run with these items; what is given stands in the place of what would fit them."""
    directory = run_directory(state, RUN)
    write_about(directory, about(items) if header is None else header, BEGAN)
    journal = FileJournal(directory)
    for event in events(items) if told is None else told:
        journal.record(event)
    journal.close()
    write_result(directory, result(items) if outcome is None else outcome, BEGAN + timedelta(seconds=21))
    return directory


def rewrite(file: Path, change: Any) -> None:
    """Change a JSON file of a run's folder as somebody with an editor would."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def view(directory: Path) -> ReportView:
    """What a report on this folder says."""
    return view_of(read_run(directory), load_jurisdictions().countries)
