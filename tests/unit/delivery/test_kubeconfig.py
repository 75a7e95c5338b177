"""Kubeconfigs are merged and read as kubectl does, and a broken context is an error of its own."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.delivery.entries import ClientCertificate
from orchestrator.delivery.kubeconfig import IN_CLUSTER, load_kubeconfig
from orchestrator.errors import DocumentError
from tests.unit.delivery.kubeconfigs import document, load, read, refusal, write


class TestMerging:
    def test_first_file_wins_for_each_entry(self, tmp_path: Path) -> None:
        second = document("one", cluster={"server": "https://second.example"})
        second["contexts"].append({"name": "two", "context": {"cluster": "one", "user": "one"}})
        merged = load(tmp_path, document("one"), second)
        assert merged.contexts() == ("one", "two")
        assert merged.context("two").server.url == "https://one.example"

    def test_first_current_context_wins(self, tmp_path: Path) -> None:
        merged = load(tmp_path, "", {"current-context": "a"}, {"current-context": "b"})
        assert merged.current_context == "a"

    def test_missing_files_of_the_list_are_skipped(self, tmp_path: Path) -> None:
        good = write(tmp_path / "good", document())
        listed = os.pathsep.join(["", str(tmp_path / "missing"), str(good), str(good)])
        assert load_kubeconfig(None, {"KUBECONFIG": listed}).contexts() == ("one",)

    def test_home_is_the_default(self, tmp_path: Path) -> None:
        write(tmp_path / ".kube" / "config", document("home"))
        for environ in ({"HOME": str(tmp_path)}, {"HOME": str(tmp_path), "KUBECONFIG": ""}):
            assert load_kubeconfig(None, environ).contexts() == ("home",)

    def test_explicit_file_stands_alone(self, tmp_path: Path) -> None:
        other = write(tmp_path / "other", document("other"))
        explicit = write(tmp_path / "explicit", document("explicit"))
        assert load_kubeconfig(explicit, {"KUBECONFIG": str(other)}).contexts() == ("explicit",)

    def test_missing_explicit_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError, match="missing"):
            load_kubeconfig(tmp_path / "missing", {})

    def test_nothing_at_all_is_no_context(self, tmp_path: Path) -> None:
        assert load_kubeconfig(None, {"HOME": str(tmp_path)}).contexts() == ()

    def test_names_that_yaml_would_take_for_something_else(self, tmp_path: Path) -> None:
        """`no`, `1e3` and `007` are names, and a token of digits is a token."""
        text = yaml.safe_dump(document("X", user={"token": "0123"}))
        for name in ("no", "1e3", "007", "2026-01-01"):
            context = load(tmp_path, text.replace("X", name).replace("'0123'", "0123")).context(name)
            assert context.user.token == "0123"


POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}


class TestInCluster:
    def test_service_account_without_kubeconfig(self, tmp_path: Path) -> None:
        config = load_kubeconfig(None, {**POD, "HOME": str(tmp_path)})
        context = config.context(IN_CLUSTER)
        assert config.contexts() == (IN_CLUSTER,)
        assert context.server.url == "https://[fd00::1]:6443"
        assert str(context.user.token_file).endswith("serviceaccount/token")

    def test_kubeconfig_beats_service_account(self, tmp_path: Path) -> None:
        write(tmp_path / ".kube" / "config", document("home"))
        assert load_kubeconfig(None, {**POD, "HOME": str(tmp_path)}).contexts() == ("home",)


class TestServer:
    def test_fields(self, tmp_path: Path) -> None:
        server = read(
            tmp_path,
            cluster={
                "server": "https://one.example:6443/k8s/clusters/c-1/",
                "certificate-authority-data": base64.b64encode(b"PEM").decode(),
                "tls-server-name": "kubernetes",
                "proxy-url": "http://proxy.example:3128",
                "disable-compression": True,
            },
        ).server
        assert server.url == "https://one.example:6443/k8s/clusters/c-1"
        assert (server.authorities, server.tls_server_name, server.compress) == (b"PEM", "kubernetes", False)
        assert server.proxy_url == "http://proxy.example:3128"

    def test_paths_are_relative_to_their_own_file(self, tmp_path: Path) -> None:
        write(tmp_path / "a" / "ca.pem", "A")
        write(tmp_path / "b" / "ca.pem", "B")
        contents = document("one", cluster={"server": "https://x", "certificate-authority": "ca.pem"})
        other = document("two", cluster={"server": "https://x", "certificate-authority": "ca.pem"})
        files = [write(tmp_path / "a" / "config", contents), write(tmp_path / "b" / "config", other)]
        merged = load_kubeconfig(None, {"KUBECONFIG": os.pathsep.join(map(str, files))})
        assert [merged.context(name).server.authorities for name in ("one", "two")] == [b"A", b"B"]

    def test_data_beats_file(self, tmp_path: Path) -> None:
        data = base64.b64encode(b"DATA").decode()
        server = read(tmp_path, cluster={"certificate-authority-data": data, "certificate-authority": "missing"}).server
        assert server.authorities == b"DATA"

    def test_host_without_scheme_is_https(self, tmp_path: Path) -> None:
        assert read(tmp_path, cluster={"server": "one.example:6443"}).server.url == "https://one.example:6443"

    @pytest.mark.parametrize(
        "server",
        ["ftp://x", "https://", "https://x:0", "https://x:99999", "https://user:pw@x", "https://x?a=b", "http://[::1"],
    )
    def test_unusable_addresses(self, tmp_path: Path, server: str) -> None:
        message = refusal(tmp_path, cluster={"server": server})
        assert "pw" not in message

    def test_insecure_and_authority_exclude_each_other(self, tmp_path: Path) -> None:
        data = base64.b64encode(b"CA").decode()
        refusal(tmp_path, cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": data})
        assert read(tmp_path, cluster={"insecure-skip-tls-verify": True}).server.insecure

    def test_unreadable_authority_is_named(self, tmp_path: Path) -> None:
        assert "ca.pem" in refusal(tmp_path, cluster={"certificate-authority": "ca.pem"})
        refusal(tmp_path, cluster={"certificate-authority-data": "%%%"})

    def test_plugin_configuration_keeps_its_types(self, tmp_path: Path) -> None:
        config = {"audience": "a", "port": 8443, "strict": True, "since": "2026-01-01"}
        extensions = [{"name": "client.authentication.k8s.io/exec", "extension": config}]
        assert read(tmp_path, cluster={"extensions": extensions}).server.plugin_config == config


class TestUser:
    def test_client_certificate(self, tmp_path: Path) -> None:
        write(tmp_path / "key.pem", "KEY")
        data = base64.b64encode(b"CERT").decode()
        user = read(tmp_path, user={"client-certificate-data": data, "client-key": "key.pem"}).user
        assert user.certificate == ClientCertificate(b"CERT", b"KEY")
        refusal(tmp_path, user={"client-certificate-data": data})

    def test_token_file_and_token(self, tmp_path: Path) -> None:
        user = read(tmp_path, user={"token": "inline", "tokenFile": "token"}).user
        assert (user.token, user.token_file) == ("inline", tmp_path / "token")

    def test_impersonation(self, tmp_path: Path) -> None:
        spec = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"acme.io/Team": ["x", "y"]}}
        assert read(tmp_path, user={"token": "t", **spec}).user.impersonation == (
            ("Impersonate-User", "jane"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Extra-acme.io%2FTeam", "x"),
            ("Impersonate-Extra-acme.io%2FTeam", "y"),
        )

    @pytest.mark.parametrize(
        "user",
        [
            {"as-groups": ["admins"]},
            {"as": "jane\r\nX-Evil: yes"},
            {"token": "a\nb"},
            {"token": "t", "username": "u"},
            {"auth-provider": {"name": "gcp"}},
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}},
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}},
            {"token": {"nested": "x"}},
            {"as-groups": "no list", "as": "jane"},
        ],
    )
    def test_refused_users(self, tmp_path: Path, user: dict[str, Any]) -> None:
        refusal(tmp_path, user=user)

    def test_plugin(self, tmp_path: Path) -> None:
        spec = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "bin/login",
            "args": ["--cluster", "1"],
            "env": [{"name": "A", "value": "b"}],
            "provideClusterInfo": True,
            "interactiveMode": "Never",
            "installHint": "install it",
        }
        plugin = read(tmp_path, user={"exec": spec}).user.plugin
        assert plugin is not None
        assert plugin.command == str(tmp_path / "bin" / "login")
        assert (plugin.arguments, plugin.environment) == (("--cluster", "1"), (("A", "b"),))
        assert plugin.provide_cluster_info

    def test_plugin_fields_that_tools_leave_null(self, tmp_path: Path) -> None:
        spec = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": None, "env": None}
        plugin = read(tmp_path, user={"exec": spec}).user.plugin
        assert plugin is not None
        assert (plugin.command, plugin.arguments) == ("aws", ())

    def test_secrets_are_in_no_representation(self, tmp_path: Path) -> None:
        data = base64.b64encode(b"s3cret").decode()
        context = read(
            tmp_path,
            cluster={"proxy-url": "http://u:s3cret@proxy.example"},
            user={
                "token": "s3cret",
                "client-certificate-data": data,
                "client-key-data": data,
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "x",
                    "env": [{"name": "P", "value": "s3cret"}],
                },
            },
        )
        assert "s3cret" not in repr(context)
