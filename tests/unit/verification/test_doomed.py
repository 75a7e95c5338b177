"""Which containers can never start or stay up: krane's list, word for word, and what only looks like it."""

from __future__ import annotations

import pytest

from orchestrator.core.objects import JsonObject
from orchestrator.verification.doomed import why_doomed


def _waiting(reason: str, message: str = "", **more: object) -> JsonObject:
    return {"name": "c", "image": "i", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def _ended(reason: str, code: int) -> JsonObject:
    return {"name": "c", "state": {"terminated": {"reason": reason, "exitCode": code, "message": "no such file"}}}


_BACK_OFF = 'Back-off pulling image "i"'


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (_waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 137}}), "crash-loop"),
        (_waiting("ErrImagePull", "rpc error: registry.example/i: not found"), "image-not-found"),
        (_waiting("ImagePullBackOff", f"{_BACK_OFF}: ErrImagePull: manifest unknown"), "image-not-found"),
        (_waiting("ErrImagePull", "dial tcp: i/o timeout"), None),
        (_waiting("ImagePullBackOff", _BACK_OFF), None),
        (_waiting("InvalidImageName", "couldn't parse"), "image-invalid"),
        (_waiting("CreateContainerConfigError", 'configmap "settings" not found'), "config-error"),
        (_waiting("CreateContainerConfigError", "failed to sync configmap cache: timed out"), None),
        (_waiting("ContainerCreating"), None),
        (_ended("ContainerCannotRun", 127), "cannot-run"),
        (_ended("ContainerCannotRun", 128), None),
        (_ended("Error", 1), None),
    ],
)
@pytest.mark.parametrize("part", ["containerStatuses", "initContainerStatuses"])
def test_doomed_containers(status: JsonObject, code: str | None, part: str) -> None:
    """One doomed container of either sort dooms the pod; what may pass by itself does not."""
    reason = why_doomed({"metadata": {"name": "p"}, "status": {part: [status]}}, ())
    assert (reason.code if reason else None) == code
