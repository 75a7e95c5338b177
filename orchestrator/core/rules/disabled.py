"""Rules by which a model counts as off."""

from __future__ import annotations

from typing import Final

DISABLED: Final = {
    "can-wake": "Nothing may be able to start the model again by itself, unless a proven guard refuses that.",
    "endpoint": "No endpoint of the model's services may be ready, or serve while it terminates.",
    "found-nowhere": "Something must say where to look for the model; finding nothing without looking proves nothing.",
    "gateway-unknown": "Every gateway that a route names must be one that can be read, or nobody knows whom it serves.",
    "mirror-pod": "A pod that a node starts from a file of its own can only be stopped on that node.",
    "node-not-ready": "The end of a pod counts only on a node that answers: nobody saw the pods of a silent one end.",
    "not-scaled": "spec.replicas must be 0.",
    "not-switchable": "The kind must have replicas that can be set to 0; this one runs pods and has none.",
    "not-switched": "This kind runs pods and is not switched by a plain disable; a hold's takedown stops it.",
    "nothing-there": "Nothing of the model exists in this cluster, so there is nothing to switch off.",
    "pod-left": "No pod of the model may be left in any phase; one that is terminating is still there.",
    "pod-unclear": "A failed pod is gone only when its node says that each of its containers has ended.",
    "probe-lists": "No probe may list a name that the model serves.",
    "probe-not-asked": "Every probe of the model must have been asked before anything is said.",
    "probe-silent": "A probe must list models or refuse; anything else says nothing about the model.",
    "replicas-left": "status.replicas must be 0 at the observed generation.",
    "reverted": "Nobody may undo what was written; whoever did is named by field manager.",
    "reverter": "Another tool manages the object and puts back what it says, by itself or when it next acts.",
    "scaler-unsettled": "An autoscaler with minReplicas 0 must say that it leaves a zero alone, or is not believed.",
    "shared": "Pods that serve other models as well are named and left alone unless --include-shared stops them.",
    "stray": "Every pod of the model must belong to a workload that can be set to 0; this one has to be deleted.",
    "terminating-left": "status.terminatingReplicas must be 0 where the controller tells it.",
    "traffic-not-observed": "Traffic counts as cut when probes were asked and refused; this model has none.",
    "unknown-kind": "Only a kind with rules can be judged: one of this tool, or the model's `health`.",
    "unknown-owner": "What owns a pod of the model must be of a kind with rules, or it may start the pod again.",
    "unreadable": "An object whose fields have another shape than the API's is neither healthy nor gone.",
}
