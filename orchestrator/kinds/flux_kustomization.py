"""Flux's Kustomization: puts its objects back at every reconciliation."""

from __future__ import annotations

from functools import partial

from orchestrator.core.kind import Basis, Kind
from orchestrator.core.objects import Resource
from orchestrator.kinds import _flux
from orchestrator.kinds._workload import suspended

RESOURCE = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")

PLUGIN = Kind(
    resource=RESOURCE,
    assess=_flux.assess,
    basis=Basis(
        "It is Ready at its own generation.",
        ("metadata.generation", "status.observedGeneration", "status.conditions[Ready]"),
    ),
    reverter=partial(_flux.reverter_by, RESOURCE),
    is_paused=_flux.is_suspended,
    pause=suspended,
)
