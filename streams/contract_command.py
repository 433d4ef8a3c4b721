# SPDX-License-Identifier: Apache-2.0
"""`drukte contract`: write the AsyncAPI document and the JSON Schemas, or check that they are current."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import DrukteError

STALE = 1
"""Exit code: a file is not what the types say."""
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "infra" / "contract"
ANY_PARTITIONS = 1
"""How many a deployment has is not part of the contract."""


def contract(
    write: Annotated[bool, typer.Option("--write", help="Write what differs.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what is not current.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; else infra/contract of this project.", show_default=False)
    ] = None,
) -> None:
    """Write the contract with others: AsyncAPI 3.1 and JSON Schemas, generated from the types.

    Exit code 0: written, or current; 1: with --check, something is not current; 2: the folder cannot be written.
    """
    if write == check:
        raise DrukteError("give one of --write and --check")
    folder = out or DEFAULT_FOLDER
    stale = stale_files(folder)
    if check:
        for path in stale:
            typer.echo(f"{path}: not current; run `drukte contract --write`")
        if stale:
            raise typer.Exit(STALE)
        return
    for path in write_files(folder):
        typer.echo(f"written: {path}")


def generated_files() -> dict[str, bytes]:
    """File name to content."""
    from schemas.contract import contract_files
    from streams.topics import topic_plans
    return contract_files({plan.topic.value: plan.config for plan in topic_plans(ANY_PARTITIONS)})


def write_files(folder: Path) -> list[Path]:
    """Write what differs and remove schemas that are no longer made; the paths.

    Raises
    ------
    DrukteError
        The folder cannot be written.
    """
    files, stale = generated_files(), stale_files(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in stale:
            if path.name in files:
                path.write_bytes(files[path.name])
            else:
                path.unlink()
    except OSError as error:
        raise DrukteError(f"{folder}: cannot be written ({error.strerror}); name another with --out") from None
    return stale


def stale_files(folder: Path) -> list[Path]:
    """The paths that are missing, hold something else, or are schemas of nothing, in order."""
    files = generated_files()
    differing = [
        folder / name for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]
    left_over = [path for path in folder.glob("*.schema.json") if path.name not in files]
    return sorted(differing + left_over)
