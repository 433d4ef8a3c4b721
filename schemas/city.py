# SPDX-License-Identifier: Apache-2.0
"""The city file: sites, zones, gates, sensors, level profiles and rules, as typed values.

TOML with text keys everywhere; the integers of the log stand in `CITY.ids` beside it (`schemas.ids`), road
sensors in a companion Parquet file (`schemas.roads`). What makes a file sound is in `schemas.city_check`.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from schemas.city_columns import CsvColumns as CsvColumns  # also read from here
from schemas.city_columns import Datastream
from schemas.events import Event, Plan
from schemas.ids import Ids
from schemas.level_profiles import BUILT_IN, COLOURS, PERMIT_PERCENT, Parameter, TimeType
from schemas.roads import RoadTable
from schemas.rules import Rule as Rule  # also read from here
from schemas.rules import RuleKind as RuleKind
from schemas.rules import Severity as Severity

OUTSIDE = "outside"
"""The far side of a gate that leads out of the site."""
FORMAT = 1
"""The version of the file format itself."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
SealHours = Annotated[int, msgspec.Meta(ge=6, le=12)]
Point = tuple[float, float]
"""WGS 84, [longitude, latitude]."""


class Semantics(StrEnum):
    """How a sensor counts."""

    INTERVAL = "interval"
    """Each reading is the count (or mean) of its own interval."""
    RATE = "rate"
    """Each reading is an hourly rate over its own interval: count = rate x span / 3600 s."""
    CUMULATIVE = "cumulative"
    """Each reading is the count at an instant since the device's last reset."""
    INSTANT = "instant"
    """Each reading is the state at an instant; never summed over time."""


class Facility(StrEnum):
    """What a zone is for; walking and standing people have different limits."""

    WALKWAY = "walkway"
    QUEUE = "queue"
    STANDING = "standing"
    ROAD = "road"


class Grain(StrEnum):
    """How finely a place's history is published; nights (00 to 06 UTC) are six hours everywhere."""

    QUARTER = "15min"
    HOUR = "1h"
    SIX_HOURS = "6h"


class SensorStatus(StrEnum):
    """Whether a sensor counts."""

    ACTIVE = "active"
    TRIAL = "trial"
    """Read and shown, not counted."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ErrorModel(_Strict, frozen=True, kw_only=True):
    """What is known of a sensor's own error.

    Parameters
    ----------
    bias : float
        Systematic share: -0.07 = it sees 7 % too few.
    sd : float
        Standard deviation as a share of the value.
    """

    bias: Annotated[float, msgspec.Meta(gt=-1, le=1)] = 0.0
    sd: Share = 0.0


class Measure(_Strict, frozen=True, kw_only=True):
    """One metric of a sensor.

    Parameters
    ----------
    semantics : Semantics
    interval_s : float
        How often it reports; for an event-reporting sensor the shortest distance that counts as two.
    allowed_delay_s : float
        How long a window waits for it after the window's end.
    heartbeat_s : float, optional
        For a sensor that reports only when something happens: the longest silence of a healthy one.
    on_event : bool
        Whether it is such a sensor.
    rolls_over_at : float, optional
        For a cumulative counter: the count at which it begins at 0 again; without it a fall is a reset.
    view_area_m2 : float, optional
        Net area that the sensor sees (people in an area).
    error : ErrorModel
    """

    semantics: Semantics
    interval_s: Positive
    allowed_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    heartbeat_s: Positive | None = None
    on_event: bool = False
    rolls_over_at: Positive | None = None
    view_area_m2: Positive | None = None
    error: ErrorModel = ErrorModel()


class OutOfService(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A sensor is not to be read in [from, until); without `until` from then on. Times with an offset."""

    from_: dt.datetime
    until: dt.datetime | None = None
    reason: str


class Device(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The device that a sensor was in [from, until); each one after the first is a swap at its `from`."""

    serial: str
    from_: dt.datetime
    until: dt.datetime | None = None


class Sensor(_Strict, frozen=True, kw_only=True):
    """Something that reports; stands at one zone or one gate.

    `vendor_id` is how its source names it, where that is not its key; `in_direction` what the source calls the way
    in (a word, or an azimuth in degrees), where the format does not say. `purpose`, `legal_basis`, `start` and
    `end` are what the privacy officer signs: outside the two dates its readings are refused. `swapped` mends a
    device whose in and out are reversed. In times `out_of_service` its readings are refused; at a swap of
    `devices` running counts begin anew.
    """

    source: str
    supplier: str
    vendor_id: str | None = None
    in_direction: str | None = None
    zone: str | None = None
    gate: str | None = None
    status: SensorStatus = SensorStatus.ACTIVE
    swapped: bool = False
    purpose: str
    legal_basis: str
    start: dt.date
    end: dt.date
    out_of_service: list[OutOfService] = []
    devices: list[Device] = []
    measures: dict[str, Measure]


class Source(_Strict, frozen=True, kw_only=True):
    """A sender of readings; its address and secret stand in `drukte.toml`.

    Parameters
    ----------
    format : str
        One of `schemas.feeds.formats.FORMATS`.
    name : str
    timezone : str, optional
        Of time stamps without an offset; such stamps are refused where it is not given.
    time_means : {"start", "end"}
        Which end of its interval a single stamp names, where the format leaves it open.
    strip_person_fields : bool
        Drop person-level fields in memory and read the counts beside them, instead of refusing the message;
        each field counts as refused either way. Only for formats that say so.
    columns : CsvColumns, optional
        Of format `csv`.
    datastreams : dict of str to Datastream
        Of format `sensorthings`: by `@iot.id`. Only these are read, so that no other aggregation step is.
    device_until_last : str, optional
        Of format `ngsi-ld` where ids end in a time: the device's name ends before the last of this text.
    byte_order : {"big", "little"}, optional
        Of format `device-counts`: big for Paxcounter's payload format "plain", little for "packed".
    is_recording : bool
        It plays a recording again and again (a demo): an unchanged value is then no sign of a stuck sensor.
    """

    format: str
    name: str = ""
    timezone: str | None = None
    time_means: Literal["start", "end"] = "start"
    strip_person_fields: bool = False
    columns: CsvColumns | None = None
    datastreams: dict[str, Datastream] = {}
    device_until_last: str | None = None
    byte_order: Literal["big", "little"] | None = None
    is_recording: bool = False


class Site(_Strict, frozen=True, kw_only=True):
    """Zones and gates that belong together; the unit of state."""

    name: str


class CbsArea(_Strict, frozen=True, kw_only=True):
    """The statistical area that holds a zone: a code of CBS and its year, since codes change."""

    code: Annotated[str, msgspec.Meta(pattern=r"^(GM\d{4}|WK\d{6}|BU\d{8})$")]
    year: Annotated[int, msgspec.Meta(ge=1995, le=2100)]

    @property
    def level(self) -> str:
        """`gemeente`, `wijk` or `buurt`."""
        return {"GM": "gemeente", "WK": "wijk", "BU": "buurt"}[self.code[:2]]


class Zone(_Strict, frozen=True, kw_only=True):
    """A leaf area. `area_m2` is the net area; `capacity` the permitted number of people, if any.

    `grain` is how finely its history is published: coarse until its published figures show that it is busy.
    `seal_after_h` is how long late readings still enter a grain before it is released. `camera_url` is where the
    operations centre sees it; alerts link to it. `time_type` chooses the density column of its profile. `cbs` is
    named in CAP documents.
    """

    site: str
    name: str
    facility: Facility
    area_m2: Positive
    capacity: Annotated[int, msgspec.Meta(gt=0)] | None = None
    profile: str
    time_type: TimeType = TimeType.AVERAGE
    polygon: list[Point]
    grain: Grain = Grain.SIX_HOURS
    seal_after_h: SealHours = 6
    camera_url: str | None = None
    cbs: CbsArea | None = None
    empty_at: Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None


class Gate(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A counting line: `in` adds to `to` and takes from `from`. `width_m` is the effective width.

    `grain` and `seal_after_h` as a zone's.
    """

    site: str
    name: str = ""
    from_: str
    to: str
    width_m: Positive
    line: tuple[Point, Point]
    grain: Grain = Grain.SIX_HOURS
    seal_after_h: SealHours = 6


class Activation(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Leave to count devices in a zone from the begin of `from` to the end of `until`, local days.

    Counts of Wi-Fi and Bluetooth devices are off without it: they are refused outside of it.

    Parameters
    ----------
    zone : str
    from_, until : date
    legal_basis : str
    dpia : str
        Reference of the data protection impact assessment.
    """

    zone: str
    from_: dt.date
    until: dt.date
    legal_basis: str
    dpia: str


class Profile(_Strict, frozen=True, kw_only=True):
    """Service levels: for each level the value from which it holds; the worse of the two columns counts.

    Parameters
    ----------
    built_in : str, optional
        Name and version of one of `schemas.level_profiles`, which then gives all other fields: write none of them.
    levels : list of str
        Names, level 0 first.
    percent_of_capacity : list of float, optional
        From which percent of the permitted capacity each level holds; begins with 0.
    density_per_m2 : dict of Facility to list of float
        From which density in persons/m2 each level holds; begins with 0.
    peak_density_per_m2 : dict of Facility to list of float
        The same for zones whose `time_type` is "peak".
    source : str
        Where the figures come from.
    """

    built_in: str | None = None
    levels: list[str] = []
    percent_of_capacity: list[float] | None = None
    density_per_m2: dict[Facility, list[float]] = {}
    peak_density_per_m2: dict[Facility, list[float]] = {}
    source: str = ""

    def __post_init__(self) -> None:
        """Fill in a built-in profile, so that all readers find its figures where they find a city's own."""
        found = BUILT_IN.get(self.built_in or "")
        if found is None or self.levels or self.source or self.has_columns:
            return
        filled = {
            "levels": list(COLOURS), "percent_of_capacity": list(PERMIT_PERCENT), "source": found.source,
            "density_per_m2": _by_facility(found.columns(Parameter.DENSITY, TimeType.AVERAGE)),
            "peak_density_per_m2": _by_facility(found.columns(Parameter.DENSITY, TimeType.PEAK)),
        }
        for name, value in filled.items():
            msgspec.structs.force_setattr(self, name, value)

    @property
    def has_columns(self) -> bool:
        """Whether a level follows from anything."""
        return bool(self.percent_of_capacity is not None or self.density_per_m2 or self.peak_density_per_m2)

    def densities(self, time_type: TimeType) -> dict[Facility, list[float]]:
        """The density columns for zones of a time type."""
        return self.peak_density_per_m2 if time_type is TimeType.PEAK else self.density_per_m2


def _by_facility(columns: dict[str, list[float]]) -> dict[Facility, list[float]]:
    return {Facility(name): column for name, column in columns.items()}


class CityFile(_Strict, frozen=True, kw_only=True):
    """The TOML document as it stands."""

    format: int
    city: str
    name: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    timezone: str
    roads: str | None = None
    sources: dict[str, Source] = {}
    sites: dict[str, Site] = {}
    zones: dict[str, Zone] = {}
    gates: dict[str, Gate] = {}
    sensors: dict[str, Sensor] = {}
    activations: dict[str, Activation] = {}
    profiles: dict[str, Profile] = {}
    rules: dict[str, Rule] = {}
    events: dict[str, Event] = {}
    plans: dict[str, Plan] = {}


@dataclass(frozen=True, slots=True)
class City:
    """A sound city: the file, its integers and its roads.

    Parameters
    ----------
    file : CityFile
    ids : Ids
        A number for every source, site, zone, gate and sensor of the file and of the roads.
    roads : RoadTable
        Empty where the city has none.
    sha256 : str
        Of the file, the ids and the roads together, 64 hex digits.
    """

    file: CityFile
    ids: Ids
    roads: RoadTable
    sha256: str

    @property
    def version(self) -> int:
        """The version number that readings carry."""
        return self.file.version
