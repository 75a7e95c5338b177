"""The reader of Markdown pages finds every command that a person would copy, and nothing hides from it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.package.readme_blocks import Command, command_blocks, fenced_blocks

PAGE = textwrap.dedent(
    """\
    # A page

    ```console
    $ make demo
    five regions up
    all verified
    $ orchestrator plan \\
    >   playbooks/a.yaml
    ```

    1. in a list:

       ```sh
       # a remark
       make test

       cat <<'END' > file
       $ not a prompt
       END
       ```

    ~~~yaml
    ```console
    ~~~
    """
)


def test_commands_come_with_their_line_and_the_output_the_page_promises() -> None:
    console, _ = [block for block in fenced_blocks(PAGE) if block.language != "yaml"]

    assert console.commands() == [
        Command(4, "make demo", ("five regions up", "all verified")),
        Command(7, "orchestrator plan \\\n  playbooks/a.yaml"),
    ]


def test_a_script_is_read_without_its_indentation_and_here_documents_stay_whole() -> None:
    _, script = [block for block in fenced_blocks(PAGE) if block.language != "yaml"]

    assert script.line == 14
    assert script.commands() == [
        Command(15, "make test"),
        Command(17, "cat <<'END' > file\n$ not a prompt\nEND"),
    ]


def test_a_fence_inside_another_fence_is_content() -> None:
    assert [block.language for block in fenced_blocks(PAGE)] == ["console", "sh", "yaml"]


def test_a_block_that_is_written_to_a_file_comes_with_its_path() -> None:
    written, shown = fenced_blocks("```yaml manifests/saga-2/model.yaml\nkind: Model\n```\n```yaml\nkind: Fleet\n```\n")
    assert (written.file, shown.file) == ("manifests/saga-2/model.yaml", None)


@pytest.mark.parametrize("language", ["", "bash", "shell", "zsh"])
def test_commands_cannot_hide_behind_another_language(language: str) -> None:
    with pytest.raises(ValueError, match="the page:1: a block of language"):
        fenced_blocks(f"```{language}\nmake demo\n```\n")


def test_a_block_without_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="no end"):
        fenced_blocks("```sh\nmake demo\n")


def test_output_before_any_command_is_an_error() -> None:
    (block,) = fenced_blocks("```console\nmake demo\n```\n")

    with pytest.raises(ValueError, match="line 2: output before"):
        block.commands()


def test_only_what_is_typed_is_handed_to_the_tests(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(PAGE)

    assert [block.language for block in command_blocks(page)] == ["console", "sh"]
