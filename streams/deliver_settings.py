# SPDX-License-Identifier: Apache-2.0
"""Sections of `drukte.toml` about further ways out of alerts: CAP 1.2, its feed, MQTT."""

from pathlib import Path
from typing import Annotated

import msgspec

from streams.door_settings import ClientTls

ReceiverName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]+$")]
HttpUrl = Annotated[str, msgspec.Meta(pattern="^https?://")]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CapDocumentSettings(_Strict, frozen=True, kw_only=True):
    """What every CAP document of ours says; needed as soon as one is told or kept.

    Parameters
    ----------
    sender : str
        Who we are, of the form of a mail address; keep it: references of later documents name it.
    sender_name : str, optional
        For people.
    restriction : str
        Whom the documents are for; their scope is Restricted.
    expires_h : float
        After so long without a further document a receiver drops the alert. An open alert is told again after a third
        of it at most, so that only our own silence lets it expire.
    """

    sender: Annotated[str, msgspec.Meta(pattern=r"^[^\s,<&]+$", max_length=200)]
    sender_name: Annotated[str, msgspec.Meta(pattern=r"\S")] | None = None
    restriction: Annotated[str, msgspec.Meta(pattern=r"\S")] = "operations centre only"
    expires_h: Annotated[float, msgspec.Meta(ge=1, le=168)] = 24.0


class CapReceiverSettings(_Strict, frozen=True, kw_only=True):
    """A receiver of CAP documents; `name`, `url` and `ca_file` as of a webhook, `secret` where it wants a signature."""

    name: ReceiverName
    url: HttpUrl
    secret: Annotated[str, msgspec.Meta(min_length=16)] | None = None
    ca_file: str | None = None


class CapFeedSettings(_Strict, frozen=True, kw_only=True):
    """An Atom feed of CAP documents, as files.

    Parameters
    ----------
    folder : Path
        Ours alone; holds `feed.xml` and a file for each document. Serve it behind a door: it is restricted.
    url : str, optional
        Where readers find the folder.
    length : int
        Most documents in it; the newest of each open alert stays whatever its place.
    keep_h : float
        Older documents leave it.
    """

    folder: Path
    url: HttpUrl | None = None
    length: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    keep_h: Annotated[float, msgspec.Meta(gt=0, le=144)] = 72.0


class AlertMqttSettings(_Strict, frozen=True, kw_only=True):
    """A broker that is told every transition, and keeps the present state of each alert.

    Parameters
    ----------
    host, port
    prefix : str
        Topics are `PREFIX/alerts/SITE/PLACE/RULE`.
    client_id : str
        Of this deployment alone.
    user, password : str, optional
    tls : ClientTls, optional
    clear_after_h : float
        So long after its end the kept state of an alert is taken away.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    prefix: Annotated[str, msgspec.Meta(pattern="^[^/+#\u0000$][^+#\u0000]*$", max_length=200)] = "drukte"
    client_id: Annotated[str, msgspec.Meta(min_length=1)] = "drukte-deliver"
    user: str | None = None
    password: str | None = None
    tls: ClientTls | None = None
    clear_after_h: Annotated[float, msgspec.Meta(gt=0, le=144)] = 24.0
