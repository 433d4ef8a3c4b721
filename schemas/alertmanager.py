# SPDX-License-Identifier: Apache-2.0
"""Alertmanager's API v2: one alert as `POST /api/v2/alerts` takes it.

Labels are the identity there: what changes while an alert is open (level, band, age) stands in annotations.
"""

from collections.abc import Sequence

import msgspec

from schemas.alert import Transition

SOURCE = "drukte"
"""Label `source`: keeps these alerts apart from those of a watchdog."""
WATCHDOG_SOURCE = "drukte-watchdog"
ENGINE_MEASURE = "engine"
"""Measure of the watchdog's own alert, instead of a kind of rule."""
ALERT_NAMES = {"people": "CrowdLevel", ENGINE_MEASURE: "EngineSilent"}
"""Label `alertname` by measure; another measure gives its own name and `Level`."""


class PostedAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One element of the array.

    Parameters
    ----------
    labels, annotations : dict of str to str
    starts_at : str
        Wall time, RFC 3339.
    ends_at : str, optional
        Wall time of the end; without it the alert stands until Alertmanager's `resolve_timeout`.
    generator_url : str, optional
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


def alert_name(measure: str) -> str:
    """Label `alertname` of a measure."""
    return ALERT_NAMES.get(measure) or "".join(word.capitalize() for word in measure.split("_")) + "Level"


def labels(transition: Transition, *, exercise: bool = False) -> dict[str, str]:
    """The seven labels; the same for every transition of an alert."""
    return {
        "alertname": alert_name(transition.measure),
        "site": transition.site,
        "place": transition.place,
        "rule": transition.rule,
        "source": WATCHDOG_SOURCE if transition.measure == ENGINE_MEASURE else SOURCE,
        "severity": transition.severity,
        "exercise": "true" if exercise else "false",
    }


def encode_alerts(alerts: Sequence[PostedAlert]) -> bytes:
    """The body of the call: a JSON array."""
    return msgspec.json.encode(alerts)
