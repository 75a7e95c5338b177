"""The verification room: from live objects to judgements.

The rules are pure functions over plain values (`judge`), so that every verdict can be judged again from a file. What
they read comes from watches, and before every last word from a consistent list (`LiveVerifier`). It changes nothing in
any cluster, sends nothing but reads, and never calls done what it could not see, read or understand.
"""

from orchestrator.verification.judging import judge
from orchestrator.verification.settling import LiveVerifier

__all__ = ["LiveVerifier", "judge"]
