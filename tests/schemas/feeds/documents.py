# SPDX-License-Identifier: Apache-2.0
"""Small DATEX II v2 documents of our own, in the shape of NDW's."""

from schemas.feeds.datex2 import RoadChannels, SiteTable, read_site_table
from schemas.ids import Ids
from schemas.ndw_roads import road_table
from schemas.roads import road_ids

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
START = "2026-03-01T11:04:00Z"
START_US = 1_772_363_040_000_000
ANY = "<vehicleType>anyVehicle</vehicleType>"
POINT = (
    '<measurementSiteLocation xsi:type="Point"><locationForDisplay><latitude>52.08</latitude>'
    "<longitude>4.33</longitude></locationForDisplay></measurementSiteLocation>"
)
ROUTE = '<measurementSiteLocation xsi:type="ItineraryByIndexedLocations"/>'


def envelope(publication: str, content: str, soap: bool = True) -> bytes:
    """A whole document around the content of a publication."""
    inner = (
        f'<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" {XSI} modelBaseVersion="2">'
        f'<exchange/><payloadPublication xsi:type="{publication}" lang="nl">'
        f"<publicationTime>{START}</publicationTime>{content}</payloadPublication></d2LogicalModel>"
    )
    if soap:
        inner = (
            '<SOAP:Envelope xmlns:SOAP="http://schemas.xmlsoap.org/soap/envelope/"><SOAP:Body>'
            f"{inner}</SOAP:Body></SOAP:Envelope>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>{inner}'.encode()


def channel(
    index: str, value_type: str = "trafficFlow", lane: str = "lane1", limits: str = ANY, period: str = "60"
) -> str:
    """One channel of a site record."""
    return (
        f'<measurementSpecificCharacteristics index="{index}"><measurementSpecificCharacteristics>'
        f"<accuracy>95</accuracy><period>{period}</period><specificLane>{lane}</specificLane>"
        f"<specificMeasurementValueType>{value_type}</specificMeasurementValueType>"
        f"<specificVehicleCharacteristics>{limits}</specificVehicleCharacteristics>"
        "</measurementSpecificCharacteristics></measurementSpecificCharacteristics>"
    )


def length_limit(operator: str, metres: str) -> str:
    """One limit of a vehicle class."""
    return (
        f"<lengthCharacteristic><comparisonOperator>{operator}</comparisonOperator>"
        f"<vehicleLength>{metres}</vehicleLength></lengthCharacteristic>"
    )


def record(key: str, *channels: str, version: str = "3", location: str = POINT, lanes: str = "2") -> str:
    """One record of a site table."""
    return (
        f'<measurementSiteRecord id="{key}" version="{version}">'
        "<computationMethod>harmonicAverageOfSamplesInATimePeriod</computationMethod>"
        '<measurementEquipmentTypeUsed><values><value lang="nl">ANPR</value></values>'
        "</measurementEquipmentTypeUsed>"
        f'<measurementSiteName><values><value lang="nl">Name of\n {key}</value></values>'
        f"</measurementSiteName><measurementSiteNumberOfLanes>{lanes}</measurementSiteNumberOfLanes>"
        f"{''.join(channels)}{location}</measurementSiteRecord>"
    )


def table_document(*records: str) -> bytes:
    """A whole site table."""
    return envelope(
        "MeasurementSiteTablePublication",
        f'<measurementSiteTable id="NDW01_MT" version="868">{"".join(records)}</measurementSiteTable>',
    )


def site_table(*records: str) -> SiteTable:
    """The same, read."""
    return read_site_table(table_document(*records))


def channels_of(*records: str, other_sites: frozenset[str] = frozenset()) -> RoadChannels:
    """Channels of all Points of the records; sensors numbered from 1 in the order of the road table."""
    roads = road_table(site_table(*records))
    ids, _ = Ids().extended(road_ids(roads))
    return RoadChannels.of(roads, ids, other_sites, "868")


def flow(index: str, rate: str, attributes: str = "", error: str = "", more: str = "") -> str:
    """One measured flow; `error` is the text of dataError, `more` stands before vehicleFlow."""
    return value(
        index, "TrafficFlow",
        f"{more}<vehicleFlow {attributes}>{data_error(error)}<vehicleFlowRate>{rate}</vehicleFlowRate>"
        "</vehicleFlow>",
    )


def speed(index: str, km_h: str, attributes: str = "", error: str = "") -> str:
    """One measured speed."""
    return value(
        index, "TrafficSpeed",
        f"<averageVehicleSpeed {attributes}>{data_error(error)}<speed>{km_h}</speed></averageVehicleSpeed>",
    )


def data_error(text: str) -> str:
    """The element dataError, or nothing."""
    return f"<dataError>{text}</dataError>" if text else ""


def value(index: str, xsi_type: str, content: str, extension: str = "") -> str:
    """One measured value of any type."""
    return (
        f'<measuredValue index="{index}"><measuredValue><basicData xsi:type="{xsi_type}">{content}'
        f"</basicData>{extension}</measuredValue></measuredValue>"
    )


def measurements(key: str, *values: str, version: str = "3", time: str = START) -> str:
    """What one site measured."""
    return (
        f'<siteMeasurements><measurementSiteReference id="{key}" version="{version}" '
        f'targetClass="MeasurementSiteRecord"/><measurementTimeDefault>{time}</measurementTimeDefault>'
        f"{''.join(values)}</siteMeasurements>"
    )


def publication(*sites: str, table_version: str = "868", soap: bool = True) -> bytes:
    """A whole publication of measured data."""
    reference = (
        f'<measurementSiteTableReference id="NDW01_MT" version="{table_version}" '
        'targetClass="MeasurementSiteTable"/>'
    )
    return envelope("MeasuredDataPublication", reference + "".join(sites), soap)
