"""Every page for people: its links lead somewhere, and every command it shows is one that exists, options included."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orchestrator.cli.app import root
from tests.package.readme_blocks import command_blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`(orchestrator [^`]+)`")


def anchors(page: Path) -> set[str]:
    """What a heading of a page is called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def shown(page: Path) -> Iterator[tuple[str, str]]:
    """Every command of ours on a page, with the place where it stands."""
    for block in command_blocks(page):
        for command in block.commands():
            for line in command.text.replace("\\\n", " ").splitlines():
                for part in re.split(r"\s(?:\||&&|;)\s", line):
                    if part.strip().startswith("orchestrator "):
                        yield f"{page.name}:{command.line}", part.strip()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for text in _INLINE.findall(line):
            yield f"{page.name}:{number}", text


def what_is_wrong(text: str) -> str | None:
    """Why nobody could type this: a command or an option that does not exist; None when it could be typed."""
    words = shlex.split(text, comments=True)[1:]
    command: click.Command = root
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        options = options_of(command)
        if name in options:
            if options[name] and not value and words:
                words.pop(0)
        elif re.fullmatch(r"--?[a-z][a-z-]*", name):
            return f"`{command.name}` has no option {name}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*,?", word):
            found = command.get_command(click.Context(command), word.rstrip(","))
            if found is None:
                return f"`{command.name}` has no command {word}"
            command = found
    return None


def options_of(command: click.Command) -> dict[str, bool]:
    """Each option by its spellings, and whether a value follows it."""
    found = {"-h": False, "--help": False}
    for parameter in command.params:
        takes_value = not getattr(parameter, "is_flag", False)
        found |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), takes_value)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    assert [(place, text, wrong) for place, text in shown(page) if (wrong := what_is_wrong(text))] == []


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert what_is_wrong("orchestrator takedwn --order x") is not None
    assert what_is_wrong("orchestrator takedown --ordre x") is not None
    assert what_is_wrong("orchestrator hold lst") is not None
    assert what_is_wrong("orchestrator -C here takedown --order x --confirm a,b -o json") is None
