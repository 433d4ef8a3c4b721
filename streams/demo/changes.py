# SPDX-License-Identifier: Apache-2.0
"""What changed between two looks into the database, as plain lines for a log."""

from collections.abc import Iterator

from streams.demo import wording
from streams.demo.picture import AlertLine, Picture, ZoneLine
from streams.demo.view import Status, lag_text


def changed_lines(before: Picture, after: Picture, status: Status) -> list[str]:
    """A line for each zone whose level changed and each alert that opened, changed or closed."""
    return [*_zone_lines(before, after, status), *_alert_lines(before, after, status)]


def delivered_lines(before: int, status: Status) -> list[str]:
    """A line for each change of an alert that the webhook took after the first `before` ones."""
    new = min(status.delivered - before, len(status.newest_delivered))
    newest = status.newest_delivered[-new:] if new > 0 else ()
    return [f"{_time(status)} delivered to the webhook: {summary}" for summary in newest]


def status_line(picture: Picture, status: Status) -> str:
    """Where the demo stands."""
    rows = sum(picture.rows.values())
    return (
        f"{_time(status)} sent {status.sent} readings ({status.sent_per_s:.0f}/s, {status.refused} refused), "
        f"{rows} rows, {lag_text(picture, status)}"
    )


def _zone_lines(before: Picture, after: Picture, status: Status) -> Iterator[str]:
    known = {zone.key: zone for zone in before.zones}
    for zone in after.zones:
        if zone.window_end is None:
            continue
        earlier = known.get(zone.key)
        if earlier is None or earlier.window_end is None:
            yield f"{_window_time(zone, status)} {zone.name}: {_zone_text(zone)}"
        elif earlier.level != zone.level:
            yield f"{_window_time(zone, status)} {zone.name}: {_word(earlier)} -> {_zone_text(zone)}"


def _word(zone: ZoneLine) -> str:
    return wording.NO_DATA if zone.level is None else wording.level_word(zone.level, zone.level_names)


def _zone_text(zone: ZoneLine) -> str:
    if zone.level is None:
        return wording.NO_DATA
    parts = [f"{wording.people(zone)} people", f"{wording.density(zone)} per m2"]
    if zone.percent_low is not None:
        parts.insert(0, wording.percent(zone))
    return f"{_word(zone)} ({', '.join(parts)})"


def _alert_lines(before: Picture, after: Picture, status: Status) -> Iterator[str]:
    known = {alert.alert_id: alert for alert in before.alerts}
    for alert in reversed(after.alerts):
        earlier = known.get(alert.alert_id)
        if earlier is not None and earlier.changes == alert.changes:
            continue
        yield f"{alert.at.astimezone(status.timezone):%H:%M:%S} alert {_what(alert, earlier)}"


def _what(alert: AlertLine, earlier: AlertLine | None) -> str:
    level = wording.level_word(alert.level, alert.level_names)
    happened = "opened" if earlier is None else "changed"
    if not alert.is_open:
        happened = "closed"
    return f"{happened}: {alert.rule} ({alert.severity}), {alert.name}, now {level}, {alert.state}"


def _window_time(zone: ZoneLine, status: Status) -> str:
    return f"{zone.window_end.astimezone(status.timezone):%H:%M:%S}" if zone.window_end else _time(status)


def _time(status: Status) -> str:
    return f"{status.now.astimezone(status.timezone):%H:%M:%S}"
