"""How images are compared: whatever the guard refuses, the search finds, and the reverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.images import bare, repository_of, spellings


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("registry.example/fable", "registry.example/fable"),
        ("registry.example/fable:1.2", "registry.example/fable"),
        ("registry.example/fable@sha256:00ff", "registry.example/fable"),
        ("registry.example/fable:1.2@sha256:00ff", "registry.example/fable"),
        ("registry.example:5000/team/fable:1", "registry.example:5000/team/fable"),
        ("localhost/fable", "localhost/fable"),
        ("team/fable:1", "docker.io/team/fable"),
        ("fable:1", "docker.io/library/fable"),
        ("docker.io/library/fable", "docker.io/library/fable"),
        ("index.docker.io/fable", "docker.io/library/fable"),
        ("registry-1.docker.io/team/fable", "docker.io/team/fable"),
        ("REGISTRY.example:443/fable", "registry.example/fable"),
    ],
)
def test_images_are_compared_without_tag_or_digest(image: str, repository: str) -> None:
    """A port is no tag, and a name without registry means the one that container runtimes take it for."""
    assert repository_of(image) == repository


_HOSTS = ("", "docker.io/", "index.docker.io/", "registry-1.docker.io/", "registry.example/", "Registry.example:443/",
          "registry.example:5000/", "localhost/")  # fmt: skip
_PATHS = ("fable", "library/fable", "team/fable", "team/deep/fable", "mythos")
_images = st.builds(
    lambda host, path, tag: host + path + tag,
    st.sampled_from(_HOSTS),
    st.sampled_from(_PATHS),
    st.sampled_from(("", ":1", ":latest", "@sha256:00ff", ":1@sha256:00ff")),
)


@given(_images, _images)
def test_the_guard_and_the_search_agree_on_every_pair(named: str, found: str) -> None:
    """The guard looks for a pod's bare image among the spellings of the model's."""
    is_refused = bare(found) in spellings(named)
    assert is_refused is (repository_of(found) == repository_of(named))
