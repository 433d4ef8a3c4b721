# SPDX-License-Identifier: Apache-2.0
"""`drukte feed`: try a file of a vendor's before it is connected."""

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import DrukteError, RefusedError

if TYPE_CHECKING:
    from schemas.city import City, Source
    from streams.feed_report import Document
    from streams.feed_try import Tried

REFUSED = 1
"""Exit code: nothing of the file would be read."""
LIMIT_MB = 200
"""As at the gateway's door, after decompression."""

app = typer.Typer(help="Try a vendor's file before it is connected.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def feed() -> None:
    """Try a vendor's file before it is connected."""


@app.command("try")
def try_file(
    file: Annotated[Path, typer.Argument(help="One message or file as the vendor sends it; gzip too.",
                                         exists=True, dir_okay=False, show_default=False)],
    format_key: Annotated[str | None, typer.Option("--format", help="Else what the file looks like.")] = None,
    city: Annotated[Path | None, typer.Option("--city", help="City file that knows the sensors.", exists=True,
                                              dir_okay=False)] = None,
    source: Annotated[str | None, typer.Option("--source", help="Key of the source in the city file, or in the "
                                               "entry; needed where several speak the format.")] = None,
    entry: Annotated[Path | None, typer.Option("--entry", help="TOML with a \\[sources.KEY] table as it will stand in "
                                               "the city file, such as the columns of a CSV.", exists=True,
                                               dir_okay=False)] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Of stamps without an offset.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="MQTT topic that the message came under.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, max=1000, help="How many readings to show.")] = 10,
    limit_mb: Annotated[int, typer.Option("--limit-mb", min=1, help="Larger files are refused.")] = LIMIT_MB,
    certificate: Annotated[bool, typer.Option("--certificate", help="Print a page for an acceptance test.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Say what would be read of a file, what has no value, and what is refused and why.

    Nothing is sent or kept. Values about people are shown as bands. Exit code 0: something would be read; 1: the
    whole is refused; 2: the command cannot do what it was asked to.
    """
    if certificate and as_json:
        raise DrukteError("drukte feed try: give one of --certificate and --json")
    raw_sha256, size_bytes = _digest(file)
    from streams.feed_report import Document
    document = Document(file.name, size_bytes, raw_sha256)
    tried = _tried(file, format_key, _city(city), entry, source, timezone, topic, rows, limit_mb * 1_000_000)
    _print(tried, document, certificate=certificate, as_json=as_json)
    if tried.is_refused:
        raise typer.Exit(REFUSED)


def _print(tried: "Tried", document: "Document", *, certificate: bool, as_json: bool) -> None:
    if as_json:
        from streams.feed_report import json_text
        typer.echo(json_text(tried, document))
    elif certificate:
        from streams.feed_report import certificate as page
        typer.echo(page(tried, document))
    else:
        from rich.console import Console

        from streams.feed_report import show
        show(tried, Console(file=sys.stdout))


def _city(path: Path | None) -> "City | None":
    if path is None:
        return None
    from streams.city_files import load_city
    return load_city(path)


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size of the file as it lies there; the file is never held whole here."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return digest, stream.tell()
    except OSError as error:
        raise DrukteError(f"{path}: cannot be read ({error.strerror})") from None


def _body(path: Path, limit_bytes: int) -> bytes:
    from schemas.feeds.compression import decompressed
    try:
        with path.open("rb") as stream:
            return b"".join(decompressed(stream, limit_bytes))
    except OSError as error:
        raise DrukteError(f"{path}: cannot be read ({error.strerror})") from None


def _tried(
    path: Path, format_key: str | None, city: "City | None", entry: Path | None, source: str | None,
    timezone: str | None, topic: str | None, rows: int, limit_bytes: int,
) -> "Tried":
    from schemas.refusal import Reason, Refusal
    from streams.feed_shown import clean
    from streams.feed_try import Setting, Tried, check_format, suggestions, try_body
    if format_key is not None:
        check_format(format_key)
    sources = _entries(entry) if entry is not None else {} if city is None else dict(city.file.sources)
    context = {"name": path.name} | ({} if topic is None else {"topic": topic})
    try:
        body = _body(path, limit_bytes)
    except RefusedError as error:
        whole = Refusal(reason=Reason(error.reason), where="$", detail=clean(str(error)))
        return Tried(format=format_key or "", title="Not read", semantics="unknown", proven=True, suggestions=[],
                     city=None, source=None, whole=whole)
    if not body:
        raise DrukteError(f"{path}: is empty; take a file with at least one message")
    looks_like = [] if format_key is not None or source is not None else suggestions(body)
    key, settings = _source(sources, source, [format_key] if format_key else looks_like, timezone)
    if city is not None and key is None:
        raise DrukteError(f"no source of the city file speaks {settings.format!r}; add one, or leave out --city")
    return try_body(body, Setting(settings, key, city, context), rows, looks_like)


def _entries(path: Path) -> dict[str, "Source"]:
    """The sources of a piece of a city file."""
    import msgspec

    from schemas.city import Source
    try:
        document: dict[str, Any] = msgspec.toml.decode(path.read_bytes())
        return msgspec.convert(document.get("sources", {}), dict[str, Source])
    except OSError as error:
        raise DrukteError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DrukteError(f"{path}: not TOML with [sources.KEY] tables as in a city file: {error}") from None


def _source(
    sources: dict[str, "Source"], wanted: str | None, formats: list[str], timezone: str | None
) -> tuple[str | None, "Source"]:
    """Whose file it is: the source that was named, the only one that speaks one of `formats`, or nobody's."""
    import msgspec

    from schemas.city import Source
    if wanted is not None and wanted not in sources:
        raise DrukteError(f"--source {wanted!r} is not there; known: {', '.join(sources) or 'none, give --city'}")
    speaking = [wanted] if wanted else []
    for key in () if wanted else formats:
        if speaking := [name for name, one in sources.items() if one.format == key]:
            break
    if len(speaking) > 1:
        raise DrukteError(f"several sources speak it: {', '.join(speaking)}; name one with --source")
    if speaking:
        return speaking[0], msgspec.structs.replace(sources[speaking[0]], **_given(timezone))
    if not formats:
        raise DrukteError("the file looks like no known format; name it with --format (see docs/connect-a-feed.md)")
    return None, Source(format=formats[0], timezone=timezone)


def _given(timezone: str | None) -> dict[str, str]:
    return {} if timezone is None else {"timezone": timezone}
