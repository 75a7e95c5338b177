"""One file per Kubernetes kind: pure rules about live objects, found by `orchestrator.plugins`.

A file sets `PLUGIN`, or `PLUGINS` where several kinds share one rule. Rules read plain JSON and return values; they
talk to nobody, and what they cannot read they never call healthy. A status older than the object's generation, or
than the generation of our own write, is not read at all.
"""
