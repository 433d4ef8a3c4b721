# SPDX-License-Identifier: Apache-2.0
"""Invented measuring sites on the roads around The Hague and their DATEX II v2 site table."""

from dataclasses import dataclass
from itertools import count
from xml.sax.saxutils import escape

from schemas.roads import ANY_VEHICLE

ID_PREFIX = "SIM01_"
"""Every invented id begins so: no real supplier has this code."""
TABLE_ID = "SIM01_MT"
TABLE_VERSION = "1"
SITE_VERSION = "1"
PERIOD_S = 60
LONG_FROM_M = 5.6
"""Vehicles from this length on are a class of their own at the sites that tell classes apart."""

NAMESPACES = (
    'xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' modelBaseVersion="2"'
)
EXCHANGE = (
    "<exchange><supplierIdentification><country>nl</country><nationalIdentifier>SIM</nationalIdentifier>"
    "</supplierIdentification></exchange>"
)
CREATOR = (
    "<publicationCreator><country>nl</country><nationalIdentifier>SIM</nationalIdentifier></publicationCreator>"
)
HEADER = (
    "<headerInformation><confidentiality>noRestriction</confidentiality>"
    "<informationStatus>test</informationStatus></headerInformation>"
)


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured value of a site: its index, what it measures, on which lane, of which class."""

    index: int
    is_flow: bool
    lane: int
    vehicle_class: str


@dataclass(frozen=True, slots=True)
class RoadSite:
    """A measuring site.

    Parameters
    ----------
    code : str
        Own part of the id.
    name : str
    latitude, longitude : float
        WGS 84.
    lanes : int
    free_km_h : float
        Speed on an empty road.
    busy_per_hour : float
        Vehicles per lane in the busiest hour.
    classes : bool
        Whether it also tells short from long vehicles.
    """

    code: str
    name: str
    latitude: float
    longitude: float
    lanes: int
    free_km_h: float
    busy_per_hour: float
    classes: bool = False

    @property
    def key(self) -> str:
        """The id in the feed."""
        return f"{ID_PREFIX}{self.code}"

    @property
    def channels(self) -> list[Channel]:
        """Channels in the order of their index; flows before speeds, classes before the whole."""
        kinds = ("short", "long", ANY_VEHICLE) if self.classes else (ANY_VEHICLE,)
        index = count(1)
        return [
            Channel(next(index), is_flow, lane, kind)
            for lane in range(1, self.lanes + 1) for is_flow in (True, False) for kind in kinds
        ]


SITES = (
    RoadSite("A12_UTRECHTSEBAAN_IN", "A12 Utrechtsebaan in", 52.0836, 4.3330, 3, 70, 1500, classes=True),
    RoadSite("A12_UTRECHTSEBAAN_UIT", "A12 Utrechtsebaan uit", 52.0829, 4.3342, 3, 70, 1500),
    RoadSite("A12_PRINS_CLAUS", "A12 Prins Clausplein", 52.0657, 4.3790, 3, 100, 1700),
    RoadSite("A4_PRINS_CLAUS", "A4 Prins Clausplein", 52.0609, 4.3742, 3, 100, 1800, classes=True),
    RoadSite("A4_RIJSWIJK", "A4 Rijswijk", 52.0372, 4.3262, 3, 100, 1800),
    RoadSite("A4_DEN_HOORN", "A4 Den Hoorn", 52.0061, 4.3222, 2, 100, 1700),
    RoadSite("N44_WASSENAAR", "N44 Wassenaar", 52.1240, 4.3870, 2, 80, 1300),
    RoadSite("N44_BENOORDENHOUT", "N44 Benoordenhoutseweg", 52.0925, 4.3345, 2, 50, 1100),
    RoadSite("N211_WIPPOLDER", "N211 Wippolderlaan", 52.0229, 4.2683, 2, 80, 1100),
    RoadSite("N14_SIJTWENDE", "N14 Sijtwendetunnel", 52.0820, 4.3940, 2, 70, 1200),
    RoadSite("S200_PARKLAAN", "S200 Nieuwe Parklaan", 52.1053, 4.2957, 2, 50, 800),
    RoadSite("S101_MEERDERVOORT", "S101 Laan van Meerdervoort", 52.0800, 4.2830, 2, 50, 700),
)
"""Neighbours in this list lie behind each other: a jam grows from one into the next."""


def site_table(published: str) -> bytes:
    """The sites as a DATEX II v2 MeasurementSiteTablePublication.

    Parameters
    ----------
    published : str
        Publication time, RFC 3339, UTC.
    """
    records = "".join(_record(site, published) for site in SITES)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><d2LogicalModel {NAMESPACES}>{EXCHANGE}'
        f'<payloadPublication xsi:type="MeasurementSiteTablePublication" lang="nl">'
        f"<publicationTime>{published}</publicationTime>{CREATOR}{HEADER}"
        f'<measurementSiteTable id="{TABLE_ID}" version="{TABLE_VERSION}">{records}</measurementSiteTable>'
        f"</payloadPublication></d2LogicalModel>"
    ).encode()


def _record(site: RoadSite, published: str) -> str:
    channels = "".join(_channel(channel) for channel in site.channels)
    return (
        f'<measurementSiteRecord id="{site.key}" version="{SITE_VERSION}">'
        f"<measurementSiteRecordVersionTime>{published}</measurementSiteRecordVersionTime>"
        f"<computationMethod>harmonicAverageOfSamplesInATimePeriod</computationMethod>"
        f"<measurementEquipmentTypeUsed>{_text('lus')}</measurementEquipmentTypeUsed>"
        f"<measurementSiteName>{_text(site.name)}</measurementSiteName>"
        f"<measurementSiteNumberOfLanes>{site.lanes}</measurementSiteNumberOfLanes>{channels}"
        f'<measurementSiteLocation xsi:type="Point"><locationForDisplay><latitude>{site.latitude}</latitude>'
        f"<longitude>{site.longitude}</longitude></locationForDisplay></measurementSiteLocation>"
        f"</measurementSiteRecord>"
    )


def _channel(channel: Channel) -> str:
    inner = "measurementSpecificCharacteristics"
    value_type = "trafficFlow" if channel.is_flow else "trafficSpeed"
    return (
        f'<{inner} index="{channel.index}"><{inner}><accuracy>95</accuracy><period>{PERIOD_S}</period>'
        f"<specificLane>lane{channel.lane}</specificLane>"
        f"<specificMeasurementValueType>{value_type}</specificMeasurementValueType>"
        f"<specificVehicleCharacteristics>{_class(channel.vehicle_class)}</specificVehicleCharacteristics>"
        f"</{inner}></{inner}>"
    )


def _text(text: str) -> str:
    return f'<values><value lang="nl">{escape(text)}</value></values>'


def _class(vehicle_class: str) -> str:
    if vehicle_class == ANY_VEHICLE:
        return f"<vehicleType>{ANY_VEHICLE}</vehicleType>"
    operator = "lessThan" if vehicle_class == "short" else "greaterThanOrEqualTo"
    return (
        f"<lengthCharacteristic><comparisonOperator>{operator}</comparisonOperator>"
        f"<vehicleLength>{LONG_FROM_M}</vehicleLength></lengthCharacteristic>"
    )
