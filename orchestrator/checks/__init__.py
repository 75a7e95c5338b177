"""One file per check that a playbook's step may make, found by `orchestrator.plugins`.

A file sets `PLUGIN`. Gathering asks through the ports it is given and nothing else; judging is pure. A check changes
nothing, and what it could not ask it never passes.
"""
