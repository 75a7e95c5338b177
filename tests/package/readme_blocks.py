"""The command blocks of a Markdown page, with the line each stands on, so that tests can run what readers copy.
The blocks that readers write into files come with their paths.

It reads and never runs anything. A fence whose language is not known here is an error: otherwise a block of commands
could hide from the tests behind a new word such as `bash`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN = ("console", "sh")
"""`console`: lines after `$ ` are typed, the others are their output. `sh`: a script."""
SHOWN = ("yaml", "json", "text", "mermaid", "python")
"""Languages of blocks that nobody types into a shell."""
_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


@dataclass(frozen=True)
class Command:
    """One command as it is typed, several lines where it continues, and the output that the page promises for it."""

    line: int
    text: str
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the line of its first content line, and its lines without indentation."""

    language: str
    line: int
    lines: tuple[str, ...]
    file: str | None = None
    """The path under which the page has its reader write it: the second word after the fence, ` ```yaml PATH `."""

    @property
    def text(self) -> str:
        """The content, as a script that ends in a newline."""
        return "\n".join(self.lines) + "\n"

    def commands(self) -> list[Command]:
        """What a reader types, in order. Raises ValueError where a `console` block does not start with `$ `."""
        if self.language == "sh":
            typed = [(self.line + offset, line) for offset, line in enumerate(self.lines)]
            return [Command(line, text) for line, text, _ in _joined(typed) if not _is_remark(text)]
        commands: list[Command] = []
        rest = [(self.line + offset, line) for offset, line in enumerate(self.lines)]
        while rest:
            line, text = rest[0]
            if text.startswith("$ "):
                line, text, used = next(_joined([(line, text[2:]), *_without_prompt(rest[1:])]))
                commands.append(Command(line, text))
                rest = rest[used:]
            elif commands:
                last = commands[-1]
                commands[-1] = Command(last.line, last.text, (*last.output, text))
                rest = rest[1:]
            else:
                raise ValueError(f"line {line}: output before any `$ ` command: {text!r}")
        return commands


def command_blocks(page: Path) -> list[Block]:
    """The `console` and `sh` blocks of a page. Raises ValueError for a fence of an unknown language or without end."""
    return [block for block in fenced_blocks(page.read_text(), str(page)) if block.language in RUN]


def fenced_blocks(markdown: str, page: str = "the page") -> list[Block]:
    """Every fenced block. Raises ValueError for an unknown language or a missing end."""
    blocks: list[Block] = []
    lines = enumerate(markdown.splitlines(), 1)
    for number, line in lines:
        if fence := _FENCE.match(line):
            language, _, file = fence["info"].strip().partition(" ")
            if language not in RUN + SHOWN:
                raise ValueError(f"{page}:{number}: a block of language {language!r}; known: {', '.join(RUN + SHOWN)}")
            content = _content(lines, fence, f"{page}:{number}")
            blocks.append(Block(language, number + 1, content, file.strip() or None))
    return blocks


def _content(lines: Iterator[tuple[int, str]], fence: re.Match[str], place: str) -> tuple[str, ...]:
    content: list[str] = []
    for _, line in lines:
        if re.fullmatch(rf" *{re.escape(fence['marks'][0])}{{{len(fence['marks'])},}} *", line):
            return tuple(content)
        content.append(line.removeprefix(fence["indent"]))
    raise ValueError(f"{place}: this block has no end")


def _joined(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    """Commands with their continuations and here-documents: (line, text, how many lines it took)."""
    position = 0
    while position < len(lines):
        start = position
        taken = [lines[position][1]]
        position += 1
        while taken[-1].endswith("\\") and position < len(lines):
            taken.append(lines[position][1])
            position += 1
        if heredoc := _HEREDOC.search("\n".join(taken)):
            while position < len(lines) and taken[-1].strip() != heredoc[2]:
                taken.append(lines[position][1])
                position += 1
        yield lines[start][0], "\n".join(taken), position - start


def _without_prompt(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Continuation lines as they are typed: without the `> ` that a shell shows before them."""
    return [(number, line.removeprefix("> ")) for number, line in lines]


def _is_remark(text: str) -> bool:
    return not text.strip() or text.lstrip().startswith("#")
