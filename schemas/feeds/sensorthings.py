# SPDX-License-Identifier: Apache-2.0
"""OGC SensorThings 1.1: Observations, alone as over MQTT, in pages, or within their Datastream.

What a Datastream counts stands in the city file (`datastreams` of the source): an Observation does not say it.
Over MQTT it does not even name its Datastream; the topic does.
"""

import re
from contextlib import suppress

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.decoded import Tally
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import zone_of
from schemas.feeds.observed import Observation, Observed, refuse_persons
from schemas.feeds.time_interval import parse_interval
from schemas.reading import METRIC_BY_KEY, QUALITY_FULL, NoValue
from schemas.refusal import Reason

QUALITY_FIELDS = "quality_fields"
"""Entries of a `resultQuality` beside its coverage: read past."""
_IN_PATH = re.compile(r"Datastreams\(\s*'?([^()']{1,256})'?\s*\)", re.IGNORECASE)
_TIME = "`phenomenonTime` is an instant or an interval, RFC 3339 with an offset"
_RESULT = "`result` is a number or null"
_SHAPE = "neither an Observation nor a Datastream with its Observations"
_NO_STREAM = "nothing names its Datastream: take the topic `.../Datastreams(ID)/Observations`, or expand `Datastream`"
_UNKNOWN = "the source has no such entry under `datastreams` in the city file; add it, or do not subscribe to it"


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read Observations.

    Parameters
    ----------
    body : bytes
        An Observation, an array of them, a page (`value`), a Datastream with `Observations`, or a page of those.
    source : Source
        Its `datastreams` say what is read.
    context : Context
        `topic`, where the body does not name the Datastream.

    Raises
    ------
    RefusedError
        The whole body: `malformed`, `person-level`.
    """
    document = parse_json(body)
    refuse_persons(document)
    observed = Observed()
    named = _IN_PATH.search(context.get("topic", ""))
    stream = named[1].strip() if named else None
    for where, item in _items(document):
        if isinstance(item, dict) and isinstance(item.get("Observations"), list):
            own = name_or_none(item.get("@iot.id"))
            for at, inner in enumerate(item["Observations"]):
                _read(inner, own, f"{where}.Observations[{at}]", source, observed)
        else:
            _read(item, stream, where, source, observed)
    return observed


def looks_like(body: bytes) -> bool:
    """Whether Observations of SensorThings may stand in it."""
    return b'"phenomenonTime"' in body or b'"@iot.' in body


def _items(document: object) -> list[tuple[str, object]]:
    if isinstance(document, dict) and isinstance(document.get("value"), list):
        return [(f"$.value[{at}]", item) for at, item in enumerate(document["value"])]
    if isinstance(document, list):
        return [(f"$[{at}]", item) for at, item in enumerate(document)]
    if isinstance(document, dict) and ("result" in document or isinstance(document.get("Observations"), list)):
        return [("$", document)]
    raise RefusedError(Reason.MALFORMED, f"body is {_SHAPE}, nor a page of them")


def _read(item: object, stream: str | None, where: str, source: Source, observed: Observed) -> None:
    if not isinstance(item, dict) or "result" not in item:
        observed.refuse(Reason.MALFORMED, where, _SHAPE)
        return
    key = _own_stream(item) or stream
    if key is None:
        observed.refuse(Reason.MALFORMED, where, _NO_STREAM)
        return
    known = source.datastreams.get(key)
    metric = METRIC_BY_KEY.get(known.metric) if known else None
    if known is None or metric is None:
        observed.refuse(Reason.UNKNOWN_SENSOR, where, _UNKNOWN)
        return
    times = parse_interval(item.get("phenomenonTime"), zone_of(source.timezone))
    if times is None:
        observed.refuse(Reason.BAD_TIME, where, _TIME)
        return
    try:
        value = number_or_none(item["result"])
    except NoNumberError:
        observed.refuse(Reason.BAD_VALUE, where, _RESULT)
        return
    coverage = _coverage(item.get("resultQuality"), observed)
    seen = coverage > 0  # a count over no coverage is missing, whatever it says
    observed.observations.append(Observation(
        device=known.sensor, metric=metric, begin_us=times.begin_us, end_us=times.end_us,
        value=value if seen else None, where=where, quality=min(coverage * QUALITY_FULL, times.quality),
        no_value=NoValue.NULL if seen else NoValue.DATA_ERROR,
    ))


def _own_stream(item: dict[str, object]) -> str | None:
    """The Datastream that an Observation names itself."""
    inner = item.get("Datastream")
    if isinstance(inner, dict):
        return name_or_none(inner.get("@iot.id"))
    link = item.get("Datastream@iot.navigationLink")
    found = _IN_PATH.search(link) if isinstance(link, str) else None
    return found[1].strip() if found else None


def _coverage(given: object, observed: Observed) -> float:
    """The share of its interval that an Observation covers, 0 to 1; 1 where nothing is said."""
    if given is None:
        return 1.0
    if not isinstance(given, dict) or "coverage" not in given:
        observed.passed(QUALITY_FIELDS, len(given) if isinstance(given, dict | list) else 1)
        return 1.0
    observed.passed(QUALITY_FIELDS, len(given) - 1)
    with suppress(NoNumberError):
        coverage = number_or_none(given["coverage"])
        if coverage is None:
            return 1.0
        if 0 <= coverage <= 1:
            return coverage
    observed.passed(Tally.UNREADABLE_ATTRIBUTES.value)
    return 1.0


FORMAT = Format(
    key="sensorthings",
    title="OGC SensorThings 1.1",
    semantics="by Datastream, as the city file says: instants or intervals",
    decode=decode,
    looks_like=looks_like,
    proven=False,
    notes="Fields from the standard; read with messages of our own. One Datastream for each aggregation step is "
          "common: name one of them in the city file, never several.",
)
