# SPDX-License-Identifier: Apache-2.0
"""HTTP calls to receivers, with limits on every part of a call."""

import asyncio
from collections.abc import Mapping
from typing import Self

import httpx

from streams.deliver.answer import Answer
from streams.door_settings import ClientTls
from streams.tls import client_context, failure


class Caller:
    """One receiver's connection; use it as an asynchronous context manager.

    Parameters
    ----------
    url : str
        Never logged: it may hold a token.
    connect_s, read_s : float
        How long a call waits for the connection, and for the beginning of the answer.
    ca_file : str, optional
        Authorities that are trusted; else the public ones.

    Raises
    ------
    FatalError
        `ca_file` cannot be used.
    """

    def __init__(self, url: str, connect_s: float, read_s: float, ca_file: str | None = None) -> None:
        self._url = url
        self._whole_s = connect_s + 2 * read_s
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(read_s, connect=connect_s),
            verify=True if ca_file is None else client_context(ClientTls(ca_file=ca_file), "deliver"),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body; whatever goes wrong is an answer. What the receiver writes back is not read."""
        try:
            # The time-outs of the library start anew with every byte: a trickling receiver has a limit too.
            async with asyncio.timeout(self._whole_s), self._client.stream(
                "POST", self._url, content=body, headers=dict(headers)
            ) as response:
                return Answer(response.status_code)
        except (httpx.HTTPError, TimeoutError) as error:
            return Answer(None, failure(error, "the receiver's ca_file in [deliver]"))
