# SPDX-License-Identifier: Apache-2.0
"""Sections of `drukte.toml` about the doors of the gateway: tokens, limits, TLS, MQTT, pulls and folders."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ServerTls(_Strict, frozen=True, kw_only=True):
    """TLS of an HTTP server of ours.

    Parameters
    ----------
    certificate_file, key_file : str
        PEM; the certificate with its chain, the key without a passphrase.
    """

    certificate_file: str
    key_file: str


class ClientTls(_Strict, frozen=True, kw_only=True):
    """TLS of a client of ours; the server's name is always checked.

    Parameters
    ----------
    ca_file : str, optional
        PEM with the authorities that are trusted; else those of the system.
    certificate_file, key_file : str, optional
        Our own certificate, where the server asks for one.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class SourceSettings(_Strict, frozen=True, kw_only=True):
    """Who may send for one source of the city file, and how much.

    Parameters
    ----------
    token_hash : list of str
        Lines of `drukte token new`; two while a token is being replaced.
    hmac_secret : str, optional
        Shared with a sender that signs its bodies: `X-Hub-Signature-256: sha256=HEX`.
    requests_per_minute : float, optional
        Instead of `gateway.requests_per_minute`.
    body_limit_bytes : int, optional
        Less than `gateway.body_limit_bytes`.
    """

    token_hash: list[Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]] = []
    hmac_secret: Annotated[str, msgspec.Meta(min_length=16)] | None = None
    requests_per_minute: Positive | None = None
    body_limit_bytes: Annotated[int, msgspec.Meta(gt=0)] | None = None


class MqttSettings(_Strict, frozen=True, kw_only=True):
    """A broker from which readings come; one gateway of a deployment has this section.

    Parameters
    ----------
    host, port
        Of the broker.
    topics : dict of str to str
        Source of the city file by topic filter; of several filters that fit the first counts.
    client_id : str
        Names the session that the broker keeps while we are away; fixed for the life of a deployment.
    user, password : str, optional
    tls : ClientTls, optional
    session_s : int
        How long the broker keeps messages for us while we are away; they hold exact counts.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    topics: Annotated[dict[str, str], msgspec.Meta(min_length=1)]
    client_id: Annotated[str, msgspec.Meta(min_length=1)] = "drukte-gateway"
    user: str | None = None
    password: str | None = None
    tls: ClientTls | None = None
    session_s: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = 86_400


class PullSettings(_Strict, frozen=True, kw_only=True):
    """A vendor's service that is asked again and again for one source of the city file.

    Parameters
    ----------
    kind : {"telraam", "eco-counter", "publication"}
        `publication`: one document that is fetched whole when it has changed, such as situations in DATEX II; of
        the other settings only `poll_s`, `ca_file`, `user` and `password` concern it.
    url : str
        Of the service, without a path of its API; of a publication its whole address.
    api_key : str, optional
        Telraam's `X-Api-Key`.
    user, password : str, optional
        Eco-Counter's account, or that of a publication (HTTP Basic).
    devices : list of str
        Telraam's segments or Eco-Counter's channels; without any, all channels that Eco-Counter shows us.
    poll_s : float
    overlap_s : float
        Asked for again before the last success: vendors revise their counts.
    first_s : float
        How far back the first question after a start reaches.
    page_s : float
        Longest time that one question covers.
    ca_file : str, optional
        PEM with the authorities that are trusted; else the public ones.
    """

    kind: Literal["telraam", "eco-counter", "publication"]
    url: Annotated[str, msgspec.Meta(pattern="^https?://[^/]+")]
    api_key: str | None = None
    user: str | None = None
    password: str | None = None
    devices: list[Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$")]] = []
    poll_s: Positive = 900.0
    overlap_s: Annotated[float, msgspec.Meta(ge=0)] = 7_200.0
    first_s: Positive = 86_400.0
    page_s: Annotated[float, msgspec.Meta(ge=900)] = 86_400.0
    ca_file: str | None = None


class FolderSettings(_Strict, frozen=True, kw_only=True):
    """A folder whose files are taken in for one source of the city file.

    Parameters
    ----------
    path : Path
        Files move to `done/` or `refused/` in it.
    poll_s : float
        A file is taken when it has not changed between two looks.
    """

    path: Path
    poll_s: Positive = 5.0
