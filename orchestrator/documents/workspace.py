"""The workspace: `fleet.yaml`, models and their manifests, `playbooks/*.yaml`, `playbooks/orders/*.yaml`.

Files are read when they are asked for, and once. No path leads out of the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.fleet import Fleet
from orchestrator.core.model import Model
from orchestrator.core.order import Order
from orchestrator.core.playbook import Playbook
from orchestrator.documents.envelope import Document, load
from orchestrator.documents.loading import load_all
from orchestrator.documents.manifests import Manifest, check_against_manifests, read_manifests
from orchestrator.documents.names import is_dns_label
from orchestrator.documents.orders import load_order
from orchestrator.documents.paths import inside, shown_in
from orchestrator.documents.problems import shown, suggestion
from orchestrator.documents.source import Source
from orchestrator.documents.vocabulary import Vocabulary
from orchestrator.errors import DocumentError, UsageError

FLEET_FILE = "fleet.yaml"
MODEL_FILE = "model.yaml"
ORDERS_FOLDER = Path("playbooks", "orders")
_SUFFIXES = (".yaml", ".yml", ".json")
_MOST_FILES = 500


class Workspace:
    """A folder of documents. Every method raises DocumentError or UsageError (exit code 2) for what is wrong in it."""

    def __init__(self, root: Path, vocabulary: Vocabulary) -> None:
        self.root = root
        self.vocabulary = vocabulary
        self._fleet: Document[Fleet] | None = None
        self._models: dict[str, Document[Model]] = {}
        self._manifests: dict[str, tuple[Manifest, ...]] = {}

    @classmethod
    def load(cls, root: Path, vocabulary: Vocabulary) -> Workspace:
        """The workspace in this folder; nothing in it is read yet. Raises UsageError when there is no such folder."""
        real = root.resolve()
        if not real.is_dir():
            raise UsageError(f"there is no folder {root}", hint=f"`orchestrator init {root}` makes a workspace there")
        return cls(real, vocabulary)

    @property
    def fleet_document(self) -> Document[Fleet]:
        """The fleet, with its lines."""
        if self._fleet is None:
            path = inside(self.root, Path(FLEET_FILE))
            if not path.exists():
                raise UsageError(
                    f"there is no {FLEET_FILE} in {self.root}",
                    hint="`orchestrator init` makes a workspace, -C chooses another one",
                )
            self._fleet = load(Fleet, path, self.vocabulary, shown_as=FLEET_FILE)
        return self._fleet

    @property
    def fleet(self) -> Fleet:
        """The fleet of `fleet.yaml`."""
        return self.fleet_document.value

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the folders under `manifests` that hold a model, in alphabetical order."""
        folder = inside(self.root, Path("manifests"))
        if not folder.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in folder.iterdir() if (entry / MODEL_FILE).is_file()))

    @property
    def models(self) -> Mapping[str, Model]:
        """Every model of the workspace, by name."""
        return {name: self.model(name) for name in self.model_names}

    def model(self, name: str) -> Model:
        """The model of this name."""
        return self.model_document(name).value

    def model_document(self, name: str) -> Document[Model]:
        """The model of this name, with its lines."""
        if name not in self._models:
            if not is_dns_label(name) or name not in self.model_names:
                hint = suggestion(name, self.model_names, f"models of {self.root}")
                raise UsageError(f"there is no model {shown(name)} in this workspace", hint=hint)
            path = inside(self.root, Path("manifests", name, MODEL_FILE))
            document = load(Model, path, self.vocabulary, shown_as=f"manifests/{name}/{MODEL_FILE}")
            if document.value.name != name:
                message = f"the model is called {document.value.name}, and its folder {name}"
                raise document.source.error(message, "metadata", "name", hint="give both the same name")
            self._models[name] = document
        return self._models[name]

    def playbook(self, given: str | Path) -> Document[Playbook]:
        """The playbook of this name under `playbooks`, or the one in this file."""
        path = self._playbook_path(given)
        return load(Playbook, path, self.vocabulary, shown_as=shown_in(self.root, path))

    def models_of(self, playbook: Document[Playbook]) -> tuple[Model, ...]:
        """The models of a playbook, in its order; the error for one that is not there names the line."""
        for index, name in enumerate(playbook.value.models):
            if name not in self.model_names:
                hint = suggestion(name, self.model_names, "models of this workspace")
                message = f"there is no model {shown(name)} in this workspace"
                raise playbook.source.error(message, "spec", "models", index, hint=hint)
        return tuple(self.model(name) for name in playbook.value.models)

    def orders(self) -> tuple[Document[Order], ...]:
        """Every order that lies under `playbooks/orders`, by file name; whether one is in force is not said there."""
        folder = inside(self.root, ORDERS_FOLDER)
        files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES) if folder.is_dir() else []
        return tuple(self._order(path) for path in files if not path.name.startswith("."))

    def in_force(self) -> tuple[Document[Order], ...]:
        """The orders that the fleet lists under `inForce`; an error for one that is missing names the fleet's line.

        None where there is no fleet: an order may be carried out with nothing but a kubeconfig.
        """
        found = []
        if self._fleet is None and not inside(self.root, Path(FLEET_FILE)).exists():
            return ()
        for index, given in enumerate(self.fleet.in_force):
            at = ("spec", "inForce", index)
            try:
                path = inside(self.root, Path(given))
            except UsageError as error:
                raise self.fleet_document.source.error(error.message, *at, hint=error.hint) from error
            if not path.is_file():
                raise self.fleet_document.source.error(f"there is no order {given} in this workspace", *at)
            found.append(self._order(path))
        return tuple(found)

    def unknown_models(self, order: Order) -> tuple[str, ...]:
        """Models of an order that this workspace does not have: only catalogues in the clusters may know them."""
        return tuple(name for name in order.models if name not in self.model_names)

    def _order(self, path: Path) -> Document[Order]:
        return load_order(inside(self.root, path), self.vocabulary, shown_as=shown_in(self.root, path))

    def manifests(self, name: str) -> tuple[Manifest, ...]:
        """The objects of a model's manifests, in the order of its list and of file names; none when it adopts."""
        if name not in self._manifests:
            document = self.model_document(name)
            if document.value.adopt is not None:
                return ()
            sources = [
                source
                for index in range(len(document.value.manifests))
                for path in self._manifest_files(document, index)
                for source in load_all(path, shown=shown_in(self.root, path))
            ]
            manifests = read_manifests(sources)
            if not manifests:
                raise document.source.error("the manifests hold no object", "spec", "manifests")
            check_against_manifests(document.value, document.source, manifests)
            self._manifests[name] = manifests
        return self._manifests[name]

    def _playbook_path(self, given: str | Path) -> Path:
        path = Path(given)
        if isinstance(given, Path) or len(path.parts) > 1 or path.suffix in _SUFFIXES:
            found = inside(self.root, path)
            if not found.exists():
                raise UsageError(
                    f"there is no file {path} in workspace {self.root}", hint=self._playbook_hint(path.stem)
                )
            return found
        for suffix in _SUFFIXES[:2]:
            found = inside(self.root, Path("playbooks", f"{given}{suffix}"))
            if found.exists():
                return found
        raise UsageError(f"there is no playbook {shown(str(given))}", hint=self._playbook_hint(str(given)))

    def _playbook_hint(self, name: str) -> str:
        folder = inside(self.root, Path("playbooks"))
        known = [path.stem for path in folder.glob("*.y*ml")] if folder.is_dir() else []
        return suggestion(name, known, "playbooks")

    def _manifest_files(self, document: Document[Model], index: int) -> list[Path]:
        """The files that one entry of `manifests` names: itself, or those that lie directly in its folder."""
        given, at = document.value.manifests[index], ("spec", "manifests", index)
        try:
            path = inside(self.root, Path("manifests", document.value.name, given))
            if not path.is_dir():
                return [self._existing(path, given, document.source, at)]
            files = [
                inside(self.root, entry)
                for entry in sorted(path.iterdir())
                if entry.suffix in _SUFFIXES and not entry.name.startswith(".") and entry.name != MODEL_FILE
            ]
        except DocumentError:
            raise
        except UsageError as error:
            raise document.source.error(error.message, *at, hint=error.hint) from error
        if len(files) > _MOST_FILES:
            raise document.source.error(f"{given} holds more than {_MOST_FILES} files", *at)
        return files

    def _existing(self, path: Path, given: str, source: Source, at: tuple[str | int, ...]) -> Path:
        if not path.exists():
            raise source.error(f"there is no file or folder {given}", *at)
        if path.suffix not in _SUFFIXES:
            raise source.error(f"{given}: manifests are files that end in {', '.join(_SUFFIXES)}", *at)
        return path
