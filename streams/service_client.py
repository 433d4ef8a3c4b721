# SPDX-License-Identifier: Apache-2.0
"""How commands ask a running `drukte serve`: where it is, and what its answer means."""

from pathlib import Path
from typing import Any

from schemas.errors import DrukteError, TransientError

OK, ACCEPTED, SERVER_ERROR = 200, 202, 500


def service_url(url: str | None, settings: Path | None) -> str:
    """The address that was given, or that of the settings."""
    if url is not None:
        return url
    from streams.settings import load_settings
    serve = load_settings(settings).serve
    host = f"[{serve.host}]" if ":" in serve.host else serve.host
    return f"{'http' if serve.tls is None else 'https'}://{host}:{serve.port}"


def ask_service(url: str, method: str, path: str, token: str | None = None, body: dict[str, Any] | None = None, *,
                answer_s: float = 30.0, refused: str = "refused") -> dict[str, Any]:
    """What the service answers.

    Parameters
    ----------
    url, method, path : str
    token : str, optional
    body : dict, optional
        Sent as JSON.
    answer_s : float
        How long is waited; the service itself waits for the broker, and maybe for the fold.
    refused : str
        Words for a refusal.

    Raises
    ------
    TransientError
        The service, or the broker behind it, does not answer.
    DrukteError
        It was refused; the text says why.
    """
    import httpx

    from streams.tls import failure
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        answer = httpx.request(method, f"{url.rstrip('/')}{path}", json=body, headers=headers, timeout=answer_s)
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = failure(error, "environment variable SSL_CERT_FILE")
        raise TransientError(f"{url} does not answer: {why}; does `drukte serve` run there?") from None
    if answer.status_code in (OK, ACCEPTED):
        return document
    text = f"{refused} ({answer.status_code}): {document.get('detail', 'no reason was given')}"
    raise TransientError(text) if answer.status_code >= SERVER_ERROR else DrukteError(text)
