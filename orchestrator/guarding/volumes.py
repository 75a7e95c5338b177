"""The texts of a volume: every field that says where a volume's content comes from.

CEL cannot walk through a value of unknown shape, so the fields are named. Source: the Volume of the core/v1 API, 1.37;
a test compares this list with what a real API server publishes.
"""

from __future__ import annotations

from collections.abc import Iterator

TEXTS = (
    "awsElasticBlockStore.volumeID",
    "azureDisk.diskName",
    "azureDisk.diskURI",
    "azureFile.secretName",
    "azureFile.shareName",
    "cephfs.path",
    "cephfs.secretFile",
    "cinder.volumeID",
    "configMap.name",
    "csi.driver",
    "ephemeral.volumeClaimTemplate.spec.dataSource.name",
    "ephemeral.volumeClaimTemplate.spec.dataSourceRef.name",
    "ephemeral.volumeClaimTemplate.spec.storageClassName",
    "ephemeral.volumeClaimTemplate.spec.volumeAttributesClassName",
    "ephemeral.volumeClaimTemplate.spec.volumeName",
    "flexVolume.driver",
    "flocker.datasetName",
    "flocker.datasetUUID",
    "gcePersistentDisk.pdName",
    "gitRepo.directory",
    "gitRepo.repository",
    "gitRepo.revision",
    "glusterfs.endpoints",
    "glusterfs.path",
    "hostPath.path",
    "image.reference",
    "iscsi.iqn",
    "iscsi.targetPortal",
    "name",
    "nfs.path",
    "nfs.server",
    "persistentVolumeClaim.claimName",
    "photonPersistentDisk.pdID",
    "portworxVolume.volumeID",
    "quobyte.registry",
    "quobyte.tenant",
    "quobyte.volume",
    "rbd.image",
    "rbd.pool",
    "scaleIO.gateway",
    "scaleIO.protectionDomain",
    "scaleIO.storagePool",
    "scaleIO.system",
    "scaleIO.volumeName",
    "secret.secretName",
    "storageos.volumeName",
    "storageos.volumeNamespace",
    "vsphereVolume.storagePolicyID",
    "vsphereVolume.storagePolicyName",
    "vsphereVolume.volumePath",
)
LISTS = ("cephfs.monitors", "fc.targetWWNs", "fc.wwids", "iscsi.portals", "rbd.monitors")
MAPS = ("csi.volumeAttributes", "ephemeral.volumeClaimTemplate.metadata.annotations", "flexVolume.options")
NAMED_LISTS = (
    ("projected.sources", "configMap.name"),
    ("projected.sources", "secret.name"),
)
"""Lists of objects, and the text in each."""


def expressions() -> Iterator[str]:
    """For one volume `v`: a string each."""
    for path in TEXTS:
        yield f"string({_at('v', path)}.orValue(''))"
    for path in LISTS:
        yield f"{_at('v', path)}.orValue(dyn([])).map(s, string(s)).join('\\n')"
    for path in MAPS:
        found = f"{_at('v', path)}.orValue(dyn({{}}))"
        yield f"{found}.map(k, string({found}[k])).join('\\n')"
    for path, text in NAMED_LISTS:
        yield f"{_at('v', path)}.orValue(dyn([])).map(s, string({_at('s', text)}.orValue(''))).join('\\n')"


def _at(root: str, path: str) -> str:
    return root + "".join(f".?{step}" for step in path.split("."))
