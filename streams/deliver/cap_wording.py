# SPDX-License-Identifier: Apache-2.0
"""Transitions as CAP 1.2 documents: which kind of message, how urgent, how sure, in Dutch and English. Pure.

About people a document carries the band of the transition and nothing else; nothing here knows a value. The
times are those of the transition (log times, which are wall times wherever the deployment's clock is), so that
the same transition gives the same document whenever it is made.
"""

from collections.abc import Sequence
from itertools import dropwhile
from typing import TypeVar

from schemas.alert import Cause, State, Transition
from schemas.alert import Certainty as Sureness
from schemas.alert_words import ABOUT, BLIND, has_level, how_it_stands, is_calm
from schemas.alertmanager import ENGINE_MEASURE
from schemas.cap import (
    Area,
    Category,
    Certainty,
    Circle,
    Document,
    Info,
    MessageType,
    Named,
    Point,
    Reference,
    ResponseType,
    Severity,
    Status,
    Urgency,
)
from schemas.city import City, Facility
from schemas.expected import told_certainty
from schemas.moment import rfc3339
from schemas.rules import RuleKind
from streams.deliver.cap_renewal import renewals_before
from streams.deliver.wording import Wording, band_text, flag_text, minutes_text, people_text
from streams.deliver_settings import CapDocumentSettings

T = TypeVar("T")
DUTCH, ENGLISH = "nl-NL", "en-GB"
HOUR_US = 3_600_000_000
NEAR_MIN = 15.0
"""A level that may be reached within so many minutes is expected; a later one lies in the future."""
ROAD_RADIUS_KM = 0.1
"""A measuring site is a point; so far around it a reader should look."""
SEVERITIES = (Severity.MINOR, Severity.MINOR, Severity.SEVERE, Severity.EXTREME)
"""By level; levels above the last are as bad as it."""
_RESPONSES = (ResponseType.MONITOR, ResponseType.AVOID, ResponseType.EXECUTE)
"""By level, from 1 on."""
_ROAD = (RuleKind.CONGESTION, RuleKind.INCIDENT)
_SURENESS = {Sureness.SURE: "sure", Sureness.LIKELY: "likely", Sureness.UNSURE: "unsure"}


def identifier(one: Transition, renewed_us: int | None = None) -> str:
    """The `identifier` of a transition's document, or of its renewal at a moment."""
    renewal = "" if renewed_us is None else f"-r{renewed_us // 1_000_000}"
    return f"drukte-{one.alert_id}-{one.seq}{renewal}"


def is_told(one: Transition, earlier: Sequence[Transition]) -> bool:
    """Whether a transition has a document: one that follows on another has, no alert begins while suppressed."""
    if _before_aged_out(one, earlier) or _documented(one, earlier):
        return True
    # What ended unheard of needs no word either.
    return not one.suppressed and not (earlier and one.state_to is State.RESOLVED)


def _before_aged_out(one: Transition, earlier: Sequence[Transition]) -> bool:
    """Whether the opening is not known any more; it is taken as told."""
    return one.seq > 1 and not any(old.seq == 1 for old in earlier)


def _documented(one: Transition, earlier: Sequence[Transition]) -> list[Transition]:
    """Those before it that have a document: all but the suppressed ones at the beginning."""
    if _before_aged_out(one, earlier):
        return list(earlier)
    return list(dropwhile(lambda old: old.suppressed, earlier))


class CapWording:
    """CAP documents of one city.

    Parameters
    ----------
    city : City
    wording : Wording
        The Dutch words, shared with the other receivers.
    settings : CapDocumentSettings
    alert_url : str, optional
        Page of an alert; `{alert_id}` in it is replaced.

    Attributes
    ----------
    expires_us : int
        How long after it was sent a document expires.
    """

    def __init__(
        self, city: City, wording: Wording, settings: CapDocumentSettings, alert_url: str | None = None
    ) -> None:
        self._wording = wording
        self._settings = settings
        self.expires_us = round(settings.expires_h * HOUR_US)
        self._alert_url = alert_url
        self.take_over(city)

    def take_over(self, city: City) -> None:
        """Speak of another version of the city from now on."""
        self._file = city.file
        columns = city.roads.table.select(["zone", "lon", "lat"]).to_pydict()
        self._roads: dict[str, Point] = {
            zone: (lon, lat) for zone, lon, lat in zip(columns["zone"], columns["lon"], columns["lat"], strict=True)
        }

    def document(
        self, one: Transition, earlier: Sequence[Transition], renewed_us: int | None = None
    ) -> Document:
        """The document of a transition, or the one that says at a later moment that it still stands.

        Parameters
        ----------
        one : Transition
        earlier : sequence of Transition
            What is known of the same alert before it, in order.
        renewed_us : int, optional
            The moment of a renewal.
        """
        sent_us = one.at_us if renewed_us is None else renewed_us
        references = self._references(one, earlier, renewed_us)
        kind, note = MessageType.UPDATE, "unchanged: renewed before it expires"
        if renewed_us is None:
            kind = _message_type(one, earlier, known=bool(references))
            note = f"acknowledged by {one.actor or 'operator'}" if kind is MessageType.ACK else ""
        languages = () if kind is MessageType.ACK else (DUTCH, ENGLISH)
        return Document(
            identifier=identifier(one, renewed_us), sender=self._settings.sender, sent_us=sent_us,
            status=Status.EXERCISE if one.exercise else Status.ACTUAL, message_type=kind, source="drukte",
            restriction=self._settings.restriction, note=note or None, references=references,
            infos=tuple(self._info(one, earlier, sent_us, language) for language in languages),
        )

    def _references(
        self, one: Transition, earlier: Sequence[Transition], renewed_us: int | None
    ) -> list[Reference]:
        sender = self._settings.sender
        life, sent_us = _documented(one, earlier), one.at_us
        if renewed_us is not None:
            life, sent_us = [*life, one], renewed_us
        renewals = [
            Reference(sender=sender, identifier=identifier(old, at_us), sent_us=at_us)
            for old, at_us in renewals_before(life, sent_us, self.expires_us)
        ]
        found = [Reference(sender=sender, identifier=identifier(old), sent_us=old.at_us) for old in life] + renewals
        if _before_aged_out(one, earlier):
            # The opening has aged out of the topic; an alert opens with its first transition.
            opening = f"drukte-{one.alert_id}-1"
            found.insert(0, Reference(sender=sender, identifier=opening, sent_us=one.opened_at_us))
        return found

    def _info(self, one: Transition, earlier: Sequence[Transition], sent_us: int, language: str) -> Info:
        kind = self._kind(one)
        urgency, certainty, response = _mapped(one, kind)
        over = one.state_to is State.RESOLVED
        web = None if self._alert_url is None else self._alert_url.replace("{alert_id}", one.alert_id)
        dutch = language == DUTCH
        return Info(
            language=language, categories=(self._category(one, kind),), event=ABOUT[kind][0 if dutch else 1],
            response_types=(response,), urgency=urgency, severity=_severity(one, kind), certainty=certainty,
            audience="operators" if kind in BLIND else None, onset_us=_onset_us(one, earlier, kind),
            expires_us=None if over else sent_us + self.expires_us,
            sender_name=self._settings.sender_name, headline=self._headline(one, dutch=dutch),
            description=self._wording.description(one) if dutch else self._english(one, kind), web=web,
            parameters=self._parameters(one), areas=(self._area(one),),
        )

    def _kind(self, one: Transition) -> RuleKind:
        if one.measure == ENGINE_MEASURE:
            return RuleKind.NO_DATA
        rule = self._file.rules.get(one.rule)
        if rule is not None:
            return rule.kind
        return RuleKind(one.measure) if one.measure in list(RuleKind) else RuleKind.LEVEL

    def _category(self, one: Transition, kind: RuleKind) -> Category:
        if kind in BLIND:
            return Category.INFRA
        zone = self._file.zones.get(one.place)
        is_road = one.place in self._roads or (zone is not None and zone.facility is Facility.ROAD)
        return Category.TRANSPORT if is_road or kind in _ROAD else Category.SAFETY

    def _place(self, one: Transition) -> str:
        gate = self._file.gates.get(one.place)
        return gate.name or one.place if gate is not None else self._wording.place_name(one.place)

    def _headline(self, one: Transition, *, dutch: bool) -> str:
        if dutch:
            return f"{'OEFENING: ' if one.exercise else ''}{self._wording.summary(one)}"
        if one.measure == ENGINE_MEASURE:
            return self._wording.engine.summary(one, dutch=False)
        word = self._wording.level(one)
        said = how_it_stands(one, f"level {one.level_to} ({word})" if has_level(one) else "", dutch=False)
        stale = ", no data" if one.stale else ""
        muted = ", suppressed" if one.suppressed else ""
        return f"{'EXERCISE: ' if one.exercise else ''}{self._place(one)}: {said}{stale}{muted}"

    def _english(self, one: Transition, kind: RuleKind) -> str:
        if one.measure == ENGINE_MEASURE:
            return self._wording.engine.description(one, dutch=False)
        parts = [f"Rule {one.rule} ({ABOUT[kind][1]})", f"as seen at {self._wording.seen(one)}"]
        if one.people_low is not None:
            parts.append(f"people {people_text(one.people_low, one.people_high)}")
        if one.percent_low is not None:
            parts.append(f"{band_text(one.percent_low, one.percent_high)} % of the permitted capacity")
        parts.append(f"coverage {int(one.coverage * 100)} %")
        parts.append(_SURENESS[told_certainty(one)])
        if one.stale:
            parts.append("no data come in: the level is that of before")
        return "; ".join(parts) + "."

    def _parameters(self, one: Transition) -> list[Named]:
        texts = {
            "level": str(one.level_to) if has_level(one) else "",
            "state": str(one.state_to),
            "rule": one.rule,
            "measure": one.measure,
            "coverage": f"{one.coverage:.2f}",
            "profile": f"{one.profile} v{one.city_version}",
            "cause": str(one.cause),
            "stale": flag_text(one.stale),
            "acknowledged": flag_text(one.acknowledged),
            "escalated": flag_text(one.escalated),
            "suppressed": flag_text(one.suppressed),
            "assigned": one.assigned,
            "certainty": str(told_certainty(one)),
            "trend": "" if one.trend is None else str(one.trend),
            "window_start": rfc3339(one.window_start_us),
            "window_end": rfc3339(one.window_end_us),
        }
        if one.people_low is not None:
            texts["people_band"] = people_text(one.people_low, one.people_high)
        if one.percent_low is not None:
            texts["percent_band"] = band_text(one.percent_low, one.percent_high)
        if one.low is not None:
            texts["range"] = f"{band_text(one.low, one.high, 2)} {one.unit}"
        if one.limit is not None:
            texts["limit"] = f"{one.limit:g} {one.unit}"
        if one.next_low_min is not None or one.next_high_min is not None:
            texts["minutes_to_next"] = minutes_text(one.next_low_min, one.next_high_min)
        return [Named(name, text) for name, text in texts.items() if text.strip()]

    def _area(self, one: Transition) -> Area:
        zone, road = self._file.zones.get(one.place), self._roads.get(one.place)
        cbs = None if zone is None else zone.cbs
        return Area(
            description=self._place(one), polygons=() if zone is None else (zone.polygon,),
            circles=() if road is None else (Circle(centre=road, radius_km=ROAD_RADIUS_KM),),
            geocodes=() if cbs is None else (Named(f"CBS-{cbs.level}-{cbs.year}", cbs.code),),
        )


def _message_type(one: Transition, earlier: Sequence[Transition], *, known: bool) -> MessageType:
    if not known:
        return MessageType.ALERT
    if one.state_to is State.RESOLVED:
        return MessageType.CANCEL
    newly = one.acknowledged and bool(earlier) and not earlier[-1].acknowledged
    same = (one.state_from, one.level_from) == (one.state_to, one.level_to)
    return MessageType.ACK if newly and same else MessageType.UPDATE


def _mapped(one: Transition, kind: RuleKind) -> tuple[Urgency, Certainty, ResponseType]:
    if kind in BLIND:  # data that are back say nothing of the crowd: no all-clear either
        return Urgency.UNKNOWN, Certainty.UNKNOWN, ResponseType.ASSESS
    if one.state_to is State.RESOLVED:
        # A forecast that is withdrawn, a rule that is gone and a word of an operator are no measurement.
        by_data = one.cause in (Cause.THRESHOLD, Cause.SKIP, Cause.ADOPT)
        measured = by_data and kind is not RuleKind.FORECAST
        return Urgency.PAST, Certainty.OBSERVED if measured else Certainty.UNKNOWN, _end_response(one, measured)
    if kind is RuleKind.FORECAST:
        near = one.next_low_min is not None and one.next_low_min <= NEAR_MIN
        unsure = one.certainty is Sureness.UNSURE
        return (
            Urgency.EXPECTED if near else Urgency.FUTURE, Certainty.POSSIBLE if unsure else Certainty.LIKELY,
            ResponseType.PREPARE if near else ResponseType.MONITOR,
        )
    certainty = Certainty.UNKNOWN if one.stale else Certainty.OBSERVED
    return Urgency.IMMEDIATE, certainty, _by_level(_RESPONSES, one.level_to - 1)


def _end_response(one: Transition, measured: bool) -> ResponseType:
    if not measured:
        return ResponseType.NONE
    # A flow that is no longer strong, a crowd that grows no more: the place may still be full.
    return ResponseType.ALL_CLEAR if is_calm(one) else ResponseType.MONITOR


def _severity(one: Transition, kind: RuleKind) -> Severity:
    return Severity.UNKNOWN if kind in BLIND else _by_level(SEVERITIES, one.level_to)


def _by_level(values: Sequence[T], level: int) -> T:
    return values[min(max(level, 0), len(values) - 1)]


def _onset_us(one: Transition, earlier: Sequence[Transition], kind: RuleKind) -> int | None:
    if kind is RuleKind.FORECAST:
        return None if one.next_low_min is None else one.at_us + round(one.next_low_min * 60_000_000)
    return (earlier[0] if earlier else one).window_start_us
