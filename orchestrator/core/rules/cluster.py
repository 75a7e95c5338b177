"""Rules about reaching a cluster, knowing it, and being allowed to look."""

from __future__ import annotations

from typing import Final

_TRUSTED = "An answer counts only when it came whole from the API server that was asked; "

CLUSTER: Final = {
    "address": "The server's address must be one that can be used.",
    "certificate": "The server's certificate must be valid and signed by the authority that the kubeconfig names.",
    "closed": "Nothing is asked over connections that are closed.",
    "cluster": "A cluster must do what was asked of it.",
    "connection-failed": "The connection to the API server must be made.",
    "connection-lost": f"{_TRUSTED}the connection was lost.",
    "connection-refused": "Something must listen at the server's address; the connection is refused.",
    "context": "The context must lead to a server and a user that the kubeconfig describes completely.",
    "context-name": "A context must have a name that a fleet can hold.",
    "damaged-entry": "The cluster's catalogue entry must be one that this tool can read.",
    "deadline": "Everything must be answered within the cluster's deadline.",
    "dns": "The server's name must be one that can be resolved.",
    "duplicate": "Two entries of a fleet must not be the same cluster: one uid, one cluster.",
    "forbidden": "Every permission that the verdict rests on must be granted.",
    "internal": "A defect of this tool proves nothing either way; nothing is concluded from it.",
    "invalid": "The API server and its admission policies must accept what is sent.",
    "kind-not-served": "The cluster must serve each kind that the manifests use.",
    "namespace-missing": "The namespace of each object must be there, or be among the manifests.",
    "no-answer-yet": "A takedown begins with the clusters that have answered; this one joins it once it does.",
    "no-identity": "A cluster must tell the uid of its kube-system namespace.",
    "no-route": "There must be a route to the server's address.",
    "not-found": "What is asked for must be there.",
    "not-http": "The server must speak HTTP.",
    "not-json": f"{_TRUSTED}this one is not what the API describes.",
    "not-joined": "What a cluster that answered late knows must not forbid what the run had begun without it.",
    "not-pinned": "A cluster's uid should be pinned, or another one behind its context would not be noticed.",
    "not-served": "The API server must serve the kind; of one that it does not serve nothing can be there.",
    "not-watched": "What could only be listed was seen at that moment; nobody would have seen it change in between.",
    "other-version": "The kind must be served in the version asked for, or what is there of it cannot be told.",
    "overloaded": "The API server must answer with something else than 429 or 5xx within the permitted retries.",
    "permission-missing": "A role must be granted completely before it is called granted.",
    "proxy": "The proxy that the kubeconfig or the environment names must connect us.",
    "redirect": "An API server answers itself; a redirect leads to somebody else and is not followed.",
    "timeout": "An answer must come within the time limit of the connection or the request.",
    "tls": "The TLS handshake with the API server must succeed.",
    "too-large": f"{_TRUSTED}this one has no end.",
    "truncated": f"{_TRUSTED}it ended too early.",
    "unauthenticated": "The cluster must know who we are.",
    "unreachable": "A cluster is known only by answers that can be trusted; there was none.",
    "version": "Kubernetes must be 1.30 or later: guards need its admission policies.",
    "watch-ended": "A watch must go on, or be replaced by a list; one that has ended proves nothing.",
    "wrong-cluster": "The context must lead to the cluster whose uid is pinned; nothing is sent to another one.",
}
