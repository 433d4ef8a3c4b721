# SPDX-License-Identifier: Apache-2.0
"""What a running gateway says of its doors beside HTTP, asked of its `/health`: which of them have been failing."""

import ssl
from collections.abc import Iterator

import httpx
import msgspec

from schemas.errors import TransientError
from schemas.roads import NDW_SOURCE
from streams.settings import GatewaySettings, Settings

ASK_S = 3.0
PATIENCE_S = 60.0
"""A door that fails for less may be at its second try."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # asked, not listened on
_WHERE = {"mqtt": "gateway.mqtt", "pull": "gateway.pulls", "folder": "gateway.folders"}


class DoorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One door as `/health` shows it.

    Parameters
    ----------
    failures : int
        Tries in a row that failed.
    failing_s, success_age_s : float
        For how long; since the last success or the start.
    """

    failures: int
    failing_s: float
    success_age_s: float


class _Health(msgspec.Struct, frozen=True):
    doors: dict[str, DoorHealth] = {}


def has_doors(gateway: GatewaySettings) -> bool:
    """Whether the settings ask for any door beside HTTP and `edge`."""
    return bool(gateway.mqtt or gateway.pulls or gateway.folders or gateway.ndw)


def doors_of(gateway: GatewaySettings) -> dict[str, DoorHealth]:
    """Ask the gateway of the settings.

    Raises
    ------
    TransientError
        It does not answer, or not as a gateway does.
    """
    host = _ANYWHERE.get(gateway.host, gateway.host)
    scheme = "http" if gateway.tls is None else "https"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{gateway.port}/health"
    try:
        answer = httpx.get(address, timeout=ASK_S, verify=_trusted(gateway), trust_env=False)
        return msgspec.json.decode(answer.content, type=_Health).doors
    except (httpx.HTTPError, OSError, msgspec.MsgspecError) as error:
        raise TransientError(
            f"{address}: no answer of a gateway ({type(error).__name__}); does it run, with these settings?") from None


def _trusted(gateway: GatewaySettings) -> ssl.SSLContext | bool:
    """Its own certificate and no other; the name in it is of the outer world, and we ask within."""
    if gateway.tls is None:
        return True
    context = ssl.create_default_context(cafile=gateway.tls.certificate_file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def failing_doors(settings: Settings) -> list[str]:
    """The doors that have failed for a while, a text each; raises `TransientError` without a gateway to ask."""
    return list(told_failing(doors_of(settings.gateway)))


def told_failing(doors: dict[str, DoorHealth]) -> Iterator[str]:
    """A text for each door that every try has failed at for longer than `PATIENCE_S`."""
    for name, door in doors.items():
        if door.failing_s > PATIENCE_S:
            yield (f"{name} ({_section(name)}) has been failing for {door.failing_s / 60:.0f} min, "
                   f"{door.failures} tries; its last success is {door.success_age_s / 60:.0f} min ago")


def _section(name: str) -> str:
    """Where a door stands in `drukte.toml`."""
    kind, _, source = name.partition(" ")
    if source == NDW_SOURCE and kind == "pull":
        return "gateway.ndw"
    return ".".join(part for part in (_WHERE.get(kind, "gateway"), source) if part)
