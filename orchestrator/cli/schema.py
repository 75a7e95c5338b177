"""`orchestrator schema`: what documents may hold, for editors and pipelines."""

from __future__ import annotations

import click

SECTION = "Reference"


@click.command()
@click.argument("kind", required=False)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["json", "yaml"]),
    help="The form of what is printed; a schema is JSON when not given.",
)
def command(kind: str | None, form: str | None) -> None:
    """Print the JSON Schema of a KIND of document; without KIND, list the kinds.

    \b
    Examples:
      orchestrator schema
      orchestrator schema Playbook > playbook.schema.json
    """
    import json

    from orchestrator.documents.schemas import kinds, schema
    from orchestrator.documents.writing import dump

    if kind is None and form is None:
        click.echo("\n".join(kinds()))
        return
    document = list(kinds()) if kind is None else schema(kind)
    text = dump(document) if form == "yaml" else json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)
