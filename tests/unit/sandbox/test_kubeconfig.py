"""The kubeconfig of a sandbox: complete in itself, private, a context per cluster."""

import base64
import stat

import yaml

from orchestrator.sandbox.certificates import Authority
from orchestrator.sandbox.kubeconfig import Access, write_kubeconfig


def test_a_kubeconfig_works_from_anywhere_and_is_private(tmp_path):
    authority = Authority(tmp_path)
    admin = authority.client("admin", "sandbox-admin", "system:masters")
    path = tmp_path / "kubeconfig"
    path.write_text("old and public")
    path.chmod(0o644)

    write_kubeconfig(
        path,
        [
            Access(name, f"https://127.0.0.1:{port}", authority.certificate, admin)
            for name, port in (("a", 1), ("b", 2))
        ],
    )

    document = yaml.safe_load(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each["name"] for each in document["contexts"]] == ["a", "b"]
    assert [each["context"] for each in document["contexts"]] == [{"cluster": n, "user": n} for n in ("a", "b")]
    assert document["clusters"][1]["cluster"]["server"] == "https://127.0.0.1:2"
    assert base64.b64decode(document["users"][0]["user"]["client-key-data"]) == admin.key.read_bytes()
    assert str(tmp_path) not in path.read_text()
