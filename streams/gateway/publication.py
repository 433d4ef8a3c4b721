# SPDX-License-Identifier: Apache-2.0
"""A publication that a source is pulled from, such as situations of DATEX II: fetched whole when it has changed."""

import httpx

from streams.door_settings import ClientTls, PullSettings
from streams.gateway.door_states import DoorState
from streams.gateway.intake import Intake
from streams.gateway.ndw import TIMEOUT, UrlFeed, poll
from streams.tls import client_context


async def poll_publication(settings: PullSettings, intake: Intake, state: DoorState) -> None:
    """Fetch and hand over for ever; cancel it to stop.

    Parameters
    ----------
    settings : PullSettings
        Of kind `publication`, already checked.
    intake : Intake
    state : DoorState
        Names the source of the city file, whose format says what the publication is.

    Raises
    ------
    FatalError
        `ca_file` cannot be used.
    """
    section = f"gateway.pulls.{state.source}"
    verify = True if settings.ca_file is None else client_context(ClientTls(ca_file=settings.ca_file), section)
    account = None if settings.user is None else httpx.BasicAuth(settings.user, settings.password or "")
    # A redirect could lead to plain HTTP, or carry the account to another place.
    follows = account is None and not settings.url.startswith("https")
    async with httpx.AsyncClient(timeout=TIMEOUT, verify=verify, auth=account, follow_redirects=follows) as client:
        await poll(UrlFeed(client, settings.url, f"{section}.ca_file"), intake, settings.poll_s, state=state)
