# SPDX-License-Identifier: Apache-2.0
"""Reports over HTTP: the same as `drukte report`, bands only.

What reads the database is imported when the first report is asked for: the page itself knows no database.
"""

import asyncio
from http import HTTPStatus

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from schemas.errors import FatalError, TransientError
from streams.clock import now_us
from streams.http_problem import AnyRequest, Problem
from streams.serve.show import Show
from streams.settings import Settings

JSON, TEXT = "application/json", "text/plain"
AT_ONCE = 2
"""Reports that are made at the same time; more wait, so that nobody takes all connections of the database."""


def report_routes(settings: Settings, show: Show) -> list[HTTPRouteHandler]:
    """`GET /api/reports/KIND?since=&until=&site=&language=`: JSON, or with a language (nl, en) a plain text."""
    turns = asyncio.Semaphore(AT_ONCE)

    @get("/api/reports/{kind:str}")
    async def made(kind: FromPath[str], request: AnyRequest) -> Response[bytes]:
        from streams.report_command import wish_of
        from streams.report_sources import ReportKind, report, text_of
        from streams.reports.wording import Language
        given = request.query_params
        language = given.get("language")
        if kind not in list(ReportKind) or (language is not None and language not in list(Language)):
            raise Problem(HTTPStatus.NOT_FOUND, f"there are {', '.join(ReportKind)}; languages: {', '.join(Language)}")
        try:
            wish = wish_of(ReportKind(kind), given.get("since"), given.get("until"), given.get("site"),
                           now_us(settings.clock), set(show.city.file.sites))
        except FatalError as wrong:
            raise Problem(HTTPStatus.BAD_REQUEST, str(wrong)) from None
        async with turns:
            try:
                found = await asyncio.to_thread(report, settings, show.city, wish)
            except TransientError:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "neither database nor broker answers") from None
        if language is None:
            return Response(msgspec.json.encode(found), media_type=JSON)
        return Response(text_of(found, Language(language)).encode(), media_type=TEXT)

    return [made]
