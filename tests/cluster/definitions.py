"""CustomResourceDefinitions as their projects publish them: what real API servers make of objects of these kinds.

Taken from the projects' own Go modules, or else their sources, and checked against their digests; cached like the
sandbox's files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from orchestrator.sandbox.binaries import ensure_file
from orchestrator.sandbox.pins import PinnedFile
from tests.cluster.grants import Administrator
from tests.cluster.orders import wait_until

_ESTABLISHED = 'jsonpath={.status.conditions[?(@.type=="Established")].status}'

_FILES = {
    "HTTPRouteFilter": PinnedFile(
        "github.com/envoyproxy/gateway",
        "v1.9.1",
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_httproutefilters.yaml",
        "ad46193dbec0a28cc97fa93a64bcd1f464858544d884eeac5e4d767526dcfd3d",
    ),
    "ScaledObject": PinnedFile(
        "github.com/kedacore/keda/v2",
        "v2.21.0",
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "af35555862a83933b074af14ad439c4b4ceabaf4daa3e9338e9b23e36d308d80",
    ),
    "Kustomization": PinnedFile(
        "github.com/fluxcd/kustomize-controller",
        "v1.10.1",
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        "dec77e391bff9307e47898d2d7448c5083a49b85700f6f870c7849449e11aad0",
    ),
    "ApplicationSet": PinnedFile(
        "github.com/argoproj/argo-cd/v3",
        "v3.6.1",
        "manifests/crds/applicationset-crd.yaml",
        "980128848a8d2152b946aec6a11cdd1174b38b04587f4fba94537c040fd84202",
    ),
    "Application": PinnedFile(
        "github.com/argoproj/argo-cd/v3",
        "v3.6.1",
        "manifests/crds/application-crd.yaml",
        "9fd0da3e7097ad6d1af614fabd5c960bc7ddb00d768c3ef485a2fda6e9460df8",
    ),
}


def published(kind: str) -> str:
    """The definition of a kind, as YAML."""
    return ensure_file(_FILES[kind], logging.getLogger(__name__).info).read_text()


@contextmanager
def serving(admin: Administrator, kinds: dict[str, str]) -> Iterator[None]:
    """One cluster serves these kinds, whose definitions have these names, until this ends; none of their controllers.

    `kubectl wait` fails on a definition that has no conditions yet, so it is asked again and again.
    """
    try:
        for kind, name in kinds.items():
            admin.kubectl("create", "-f", "-", stdin=published(kind))
            wait_until(partial(_is_established, admin, name), 30)
        yield
    finally:
        for name in kinds.values():
            admin.kubectl("delete", "crd", name, "--ignore-not-found")


def _is_established(admin: Administrator, name: str) -> bool:
    return admin.kubectl("get", "crd", name, "-o", _ESTABLISHED, check=False) == "True"
