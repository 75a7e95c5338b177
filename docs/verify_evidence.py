"""verify_evidence.py BUNDLE [PUBLIC_KEY.pem]: checks evidence as evidence.md describes it. Exit code 0, 1 or 3."""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

CURVES = {"secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384, "secp521r1": hashes.SHA512}
PSS = (padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256())
TYPE = "application/vnd.orchestrator.evidence.v1+json"
ONLY_SPELLING = {  # RFC 8785 with numbers that every reader holds; what is spelt otherwise is not equal when written
    "object_pairs_hook": lambda pairs: dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be"))),
    "parse_int": lambda text: int(text) if abs(int(text)) < 2**53 else None,
    "parse_float": lambda text: float(text) if "e" not in text and not text.endswith(".0") else None,
}


def parse(line, limit=2**20):
    """The object on a line; raises an exception where it is none, or spelt in another way."""
    value = json.loads(line.decode(), **ONLY_SPELLING)
    again = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    return (value | {}) if again == line and len(line) <= limit else None


def check(data):
    """The key that signed it or None, and whether it is complete; raises an exception when any byte is wrong."""
    *lines, last, rest = data.split(b"\n")
    records, sums = [parse(line) for line in lines], [hashlib.sha256(line).hexdigest() for line in lines]
    head, end, envelope, count = records[0]["data"], records[-1]["data"], parse(last, 2**22), len(lines) - 1
    holds = [rest == b"", len(data) <= 2**28, head["apiVersion"] == "orchestrator/v1", head["kind"] == "Evidence"]
    for seq, (one, prev) in enumerate(zip(records, ["0" * 64, *sums[:-1]], strict=True)):
        types = [type(one["seq"]), type(one["at"]), type(one["data"]), one["type"] == "header", one["type"] == "end"]
        holds += [one["prev"] == prev, one["seq"] == seq, types == [int, str, dict, seq == 0, seq == count]]
    types = [type(end["count"]), type(end["complete"]), type(end["gaps"])]
    holds += [end["count"] == count, end["head"] == sums[-2], end["header"] == sums[0], types == [int, bool, list]]
    wanted = {"payload": base64.b64encode(lines[-1]).decode(), "payloadType": TYPE, "signatures": []}
    if (signer := head["signer"]) is not None:
        der, sig = base64.b64decode(signer["publicKey"]), base64.b64decode(envelope["signatures"][0]["sig"])
        name, key = hashlib.sha256(der).hexdigest(), serialization.load_der_public_key(der)
        holds += [signer == {"keyid": name, "publicKey": base64.b64encode(der).decode()}]
        wanted["signatures"] = [{"keyid": name, "sig": base64.b64encode(sig).decode()}]
        ecdsa = [ec.ECDSA(CURVES[key.curve.name]())] if isinstance(key, ec.EllipticCurvePublicKey) else None
        scheme = () if isinstance(key, ed25519.Ed25519PublicKey) else ecdsa or (PSS if key.key_size >= 2048 else None)
        key.verify(sig, b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(lines[-1]), lines[-1]), *scheme)
    return {True: signer and key}[all(holds) and envelope == wanted], end["complete"] and not end["gaps"]


given = serialization.load_pem_public_key(Path(sys.argv[2]).read_bytes()) if sys.argv[2:] else None
try:
    key, complete = check(Path(sys.argv[1]).read_bytes())
    whose = "unsigned" if key is None else "unchecked" if not given else "verified" if key == given else "refused"
    answer, code = f"intact {whose} {'complete' if complete else 'incomplete'}", 1 if whose == "refused" else 3
except Exception:  # hostile bytes fail in many ways; all of them say the same
    answer, code = "damaged", 1
sys.stdout.write(answer + "\n")
sys.exit(0 if answer == "intact verified complete" else code)
