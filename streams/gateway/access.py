# SPDX-License-Identifier: Apache-2.0
"""Who may send for a source, and how often. Tokens are known here by their hash alone."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schemas.errors import FatalError
from streams.door_settings import SourceSettings
from streams.settings import GatewaySettings

TOKEN_BYTES = 32
TOKEN_PREFIX = "drukte_"  # noqa: S105  # what scanners for leaked secrets look for
SIGNATURE_PREFIX = "sha256="
BURST_S = 10.0
"""A source that was silent may send what it has saved up in so long at once."""
_NOBODY = "sha256:" + "0" * 64


def new_token() -> tuple[str, str]:
    """A fresh token of 256 random bits, and the hash that stands in `drukte.toml`."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    return token, token_hash(token)


def token_hash(token: str) -> str:
    """The hash of a token; a plain one is enough for a secret of 256 random bits."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def fits_any(token: str, hashes: Iterable[str]) -> bool:
    """Whether the token is one of those whose hashes are given; tells nothing by the time that it takes.

    None of them is compared with something too, so that an empty list cannot be told from one without the token.
    """
    shown = token_hash(token)
    return any([hmac.compare_digest(shown, one) for one in (*hashes, _NOBODY)])  # noqa: C419  # all are compared


def bearer_token(authorization: str) -> str:
    """The token of an `Authorization: Bearer TOKEN` header, or an empty text."""
    kind, _, token = authorization.partition(" ")
    return token if kind.lower() == "bearer" else ""


@dataclass(slots=True)
class Allowance:
    """Requests that a source may still send: it fills up with time, to `BURST_S` of its rate.

    Parameters
    ----------
    per_s : float
    requests : float
        Left at `at_s`.
    at_s : float
        Monotonic seconds.
    """

    per_s: float
    requests: float
    at_s: float

    def take(self, now_s: float) -> float:
        """Take one; how many seconds to wait when there is none, else 0."""
        most = max(self.per_s * BURST_S, 1.0)
        self.requests = min(self.requests + (now_s - self.at_s) * self.per_s, most)
        self.at_s = now_s
        if self.requests < 1.0:
            return (1.0 - self.requests) / self.per_s
        self.requests -= 1.0
        return 0.0


class Access:
    """The judge at the door.

    Parameters
    ----------
    gateway : GatewaySettings
    now_s : callable
        Monotonic seconds.
    """

    def __init__(self, gateway: GatewaySettings, now_s: Callable[[], float] = time.monotonic) -> None:
        self._sources = gateway.sources
        self._requests_per_minute = gateway.requests_per_minute
        self._limit_bytes = gateway.body_limit_bytes
        self._now_s = now_s
        self._allowances: dict[str, Allowance] = {}
        self.guarded = any(one.token_hash or one.hmac_secret for one in gateway.sources.values())
        """Whether senders have to show who they are: as soon as one source has a token or a secret."""
        self.signs = any(one.hmac_secret for one in gateway.sources.values())
        """Whether some sender signs its bodies."""

    def admits(self, source: str, token: str) -> bool:
        """Whether the token is one of the source's; also for a source that signs and has none.

        Takes the same time for a source that does not exist.
        """
        known = self._sources.get(source, SourceSettings())
        return fits_any(token, known.token_hash) or (not known.token_hash and known.hmac_secret is not None)

    def needs_signature(self, source: str) -> bool:
        """Whether the source signs its bodies."""
        return self._sources.get(source, SourceSettings()).hmac_secret is not None

    def is_signed(self, source: str, signature: str, body: bytes) -> bool:
        """Whether a body is signed as the source has to, or needs no signature."""
        secret = self._sources.get(source, SourceSettings()).hmac_secret
        made = hmac.new((secret or "").encode(), body, hashlib.sha256).hexdigest()
        fits = hmac.compare_digest((SIGNATURE_PREFIX + made).encode(), signature.encode())
        return fits or secret is None

    def limit_bytes(self, source: str) -> int:
        """The largest body of a source."""
        return min(self._sources.get(source, SourceSettings()).body_limit_bytes or self._limit_bytes, self._limit_bytes)

    def wait_s(self, source: str) -> float:
        """Count one request of a source; how long it has to wait when it sends too many, else 0."""
        now_s = self._now_s()
        if source not in self._allowances:
            chosen = self._sources.get(source, SourceSettings()).requests_per_minute or self._requests_per_minute
            self._allowances[source] = Allowance(chosen / 60.0, max(chosen / 60.0 * BURST_S, 1.0), now_s)
        return self._allowances[source].take(now_s)


def check_guarded(gateway: GatewaySettings) -> None:
    """Refuse to be reachable from elsewhere without any token.

    Raises
    ------
    FatalError
        `gateway.host` is not of this machine alone, and no source has a token or a secret.
    """
    if not Access(gateway).guarded and not _is_loopback(gateway.host):
        raise FatalError(
            f"drukte.toml: gateway.host = {gateway.host!r} can be reached from elsewhere, and no source has a token; "
            "make one with `drukte token new SOURCE` and put its line into [gateway.sources.SOURCE], or listen on "
            "127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
