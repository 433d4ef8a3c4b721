# SPDX-License-Identifier: Apache-2.0
"""Names of DATEX II v2 that Drukte reads, and their spelling here.

Source: feed reference, section 3; the documents themselves. Words are compared without case, numbers as
numbers.
"""

from typing import Final

from schemas.reading import Metric

NAMESPACE: Final = "{http://datex2.eu/schema/2/2_0}"
XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"

PAYLOAD: Final = NAMESPACE + "payloadPublication"
SITE_TABLE: Final = NAMESPACE + "measurementSiteTable"
SITE_RECORD: Final = NAMESPACE + "measurementSiteRecord"
PUBLICATION_TIME: Final = NAMESPACE + "publicationTime"
SITE_TABLE_REFERENCE: Final = NAMESPACE + "measurementSiteTableReference"
SITE_MEASUREMENTS: Final = NAMESPACE + "siteMeasurements"
SITE_REFERENCE: Final = NAMESPACE + "measurementSiteReference"
TIME_DEFAULT: Final = NAMESPACE + "measurementTimeDefault"
MEASURED_VALUE: Final = NAMESPACE + "measuredValue"
MEASURED_VALUE_EXTENSION: Final = NAMESPACE + "measuredValueExtension"
BASIC_DATA: Final = NAMESPACE + "basicData"
REFERENCE_VALUE: Final = NAMESPACE + "basicDataReferenceValue"
OWN_TIME: Final = NAMESPACE + "measurementOrCalculationTime"
OWN_PERIOD: Final = NAMESPACE + "measurementOrCalculationPeriod"
FLOW_RATE: Final = NAMESPACE + "vehicleFlowRate"
DATA_ERROR: Final = NAMESPACE + "dataError"

MEASURED_DATA_PUBLICATION: Final = "measureddatapublication"
SITE_TABLE_PUBLICATION: Final = "measurementsitetablepublication"

DATA_OF_TYPE: Final = {
    "trafficflow": (Metric.VEHICLES, NAMESPACE + "vehicleFlow", FLOW_RATE),
    "trafficspeed": (Metric.SPEED, NAMESPACE + "averageVehicleSpeed", NAMESPACE + "speed"),
}
"""By `xsi:type` of basicData: the metric, the element with its attributes, and the one with its number."""
METRIC_OF_VALUE_TYPE: Final = {"trafficFlow": Metric.VEHICLES, "trafficSpeed": Metric.SPEED}
"""By the value type of a channel in the site table."""

ALL_LANES: Final = "allLanesCompleteCarriageway"
VALUE_TYPES: Final = ("trafficFlow", "trafficSpeed", "travelTimeInformation", "trafficStatusInformation")
LANES: Final = (*(f"lane{number}" for number in range(1, 10)), ALL_LANES, "hardShoulder")
COMPARISONS: Final = {
    "greaterthan": ">", "greaterthanorequalto": ">=", "equalto": "=", "lessthan": "<",
    "lessthanorequalto": "<=",
}

_SPELLINGS: Final = {word.casefold(): word for word in (*VALUE_TYPES, *LANES)}


def spelled(word: str) -> str:
    """A value type or a lane as `VALUE_TYPES` and `LANES` spell it; other words as they stand."""
    stripped = word.strip()
    return _SPELLINGS.get(stripped.casefold(), stripped)


def canonical_version(version: str | None) -> str:
    """A version so that `1`, `1.0` and ` 1 ` are the same text; empty for None."""
    text = (version or "").strip()
    whole, point, decimals = text.partition(".")
    return whole if point and whole.isdecimal() and not decimals.strip("0") else text


def is_plain_key(text: str) -> bool:
    """Whether `text` may stand in a key: not empty, no control character, no space but the plain one."""
    return bool(text) and text.isprintable()
