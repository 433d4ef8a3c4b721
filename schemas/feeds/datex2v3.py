# SPDX-License-Identifier: Apache-2.0
"""DATEX II v3 measured data and site tables, respelled as v2 so that one reader and one set of rules serves both.

Unproven: written from the documentation, no full v3 measured data was at hand. Version 3 spreads the same words
over several namespaces and renames some; names are matched without their prefix, within v3's own namespaces.
"""

from typing import Final

from lxml.etree import _Element as Element

from schemas.feeds.datex2_words import NAMESPACE, XSI_TYPE
from schemas.feeds.xml_stream import local_name

VERSION_3: Final = "{http://datex2.eu/schema/3/"
"""How every tag of version 3 begins."""
PAYLOADS: Final = (VERSION_3 + "messageContainer}payload", VERSION_3 + "d2Payload}payload")
"""NDW's envelope, and the plain one of the standard."""
PUBLICATION_TIME: Final = VERSION_3 + "common}publicationTime"
SITE_MEASUREMENTS: Final = VERSION_3 + "roadTrafficData}siteMeasurements"
SITE_TABLE: Final = VERSION_3 + "roadTrafficData}measurementSiteTable"
SITE: Final = VERSION_3 + "roadTrafficData}measurementSite"

BEGIN_TIME: Final = "begintime"
END_TIME: Final = "endtime"

_RENAMED: Final = {
    "physicalQuantity": "measuredValue",
    "physicalQuantityExtension": "measuredValueExtension",
    "measurementSite": "measurementSiteRecord",
    "coordinatesForDisplay": "locationForDisplay",
}
_LOCATION_TYPES: Final = {"pointlocation": "Point"}


def is_version_3(element: Element) -> bool:
    """Whether an element stands in one of version 3's namespaces."""
    return str(element.tag).startswith(VERSION_3)


def respell(item: Element) -> str:
    """Give the elements of a site the names of version 2, in place.

    Parameters
    ----------
    item : Element
        A `siteMeasurements` or a `measurementSite` of version 3.

    Returns
    -------
    str
        What its stamp means: `BEGIN_TIME`, `END_TIME`, another word in lower case, or nothing where it is not said.
    """
    meaning = ""
    for element in list(item.iter("{*}*")):
        if not is_version_3(element):
            continue
        name = str(element.tag).rpartition("}")[2]
        if name in ("measurementTimeDefault", "measurementOrCalculationTime"):
            said = _flattened(element)
            meaning = said if name == "measurementTimeDefault" else meaning
        elif name == "measurementSiteLocation":
            kind = local_name(element.get(XSI_TYPE))
            element.set(XSI_TYPE, _LOCATION_TYPES.get(kind, kind))
        element.tag = NAMESPACE + _RENAMED.get(name, name)
    return meaning


def _flattened(stamp: Element) -> str:
    """Move the time of a stamp into its own text, as version 2 has it; what the time means."""
    meaning = ""
    for part in stamp:
        name = str(part.tag).rpartition("}")[2]
        if name == "timeValue":
            stamp.text = part.text
        elif name == "timeMeaning":
            meaning = (part.text or "").strip().casefold()
    return meaning
