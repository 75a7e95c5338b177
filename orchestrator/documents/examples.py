"""The shipped example models, playbooks and orders, and a new workspace made of them.

The files are the repository's own `manifests` and `playbooks`; the wheel carries them as `orchestrator/examples`.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from orchestrator.core.fleet import Fleet
from orchestrator.documents.loading import load_one
from orchestrator.documents.workspace import FLEET_FILE, MODEL_FILE, ORDERS_FOLDER
from orchestrator.documents.writing import dump, write_text
from orchestrator.errors import OrchestratorError, UsageError


def examples_folder() -> Path:
    """Where the shipped `manifests` and `playbooks` are: in the installed package, or in the checkout around it."""
    package = Path(str(resources.files("orchestrator")))
    for folder in (package / "examples", package.parent):
        if (folder / "manifests").is_dir() and (folder / "playbooks").is_dir():
            return folder
    raise OrchestratorError("the shipped examples are missing", hint="install the package anew")


def example_files() -> dict[str, Path]:
    """The example files by their path in a workspace."""
    folder = examples_folder()
    models = [path.parent for path in sorted((folder / "manifests").glob(f"*/{MODEL_FILE}"))]
    files = [path for model in models for path in sorted(model.glob("*.yaml"))]
    files += sorted((folder / "playbooks").glob("*.yaml"))
    files += sorted((folder / ORDERS_FOLDER).glob("*.yaml"))
    return {path.relative_to(folder).as_posix(): path for path in files}


def fleet_template() -> str:
    """A fleet without clusters, in which comments show how to add some."""
    template = resources.files("orchestrator.documents").joinpath("templates", FLEET_FILE)
    return template.read_text(encoding="utf-8")


def fleet_of_sandbox(sandbox: Path, workspace: Path) -> str:
    """The sandbox's fleet for a workspace elsewhere: its kubeconfig is named from there. Raises UsageError."""
    path = sandbox / FLEET_FILE
    if not path.is_file():
        hint = f"`orchestrator sandbox up --dir {sandbox}` starts one"
        raise UsageError(f"there is no sandbox in {sandbox}", hint=hint)
    source = load_one(path)
    document = source.value
    if not isinstance(document, dict) or document.get("kind") != Fleet.__name__:
        raise source.error("kind: expected Fleet", "kind")
    spec = document.get("spec")
    if not isinstance(spec, dict):
        raise source.error("spec: expected a mapping", "spec")
    kubeconfig = Path(str(spec.get("kubeconfig") or "kubeconfig"))
    if not kubeconfig.is_absolute():
        spec["kubeconfig"] = os.path.relpath((sandbox / kubeconfig).resolve(), workspace.resolve())
    return dump(document)


def make_workspace(folder: Path, fleet: str) -> tuple[str, ...]:
    """Write the fleet and the examples into a folder, which is made when missing; the files' paths in it.

    Raises UsageError, with nothing written, when any of the files is there already.
    """
    texts = {FLEET_FILE: fleet}
    texts |= {name: path.read_text(encoding="utf-8") for name, path in example_files().items()}
    existing = [name for name in texts if os.path.lexists(folder / name)]
    if existing:
        raise UsageError(
            f"there is already {', '.join(existing)} in {folder}", hint="choose another folder; nothing was written"
        )
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{path.parent} cannot be made: {error.strerror}", hint="name a folder that can be made"
            ) from error
        write_text(path, text)
    return tuple(texts)
