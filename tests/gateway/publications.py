# SPDX-License-Identifier: Apache-2.0
"""DATEX II publications for the small city's roads."""

import datetime as dt


def road_publication(at: dt.datetime, flow: int = 840) -> bytes:
    """One flow on lane 1 of the small city's motorway."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:00Z")
    return f"""<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="2">
 <payloadPublication xsi:type="MeasuredDataPublication" lang="nl"><publicationTime>{stamp}</publicationTime>
 <measurementSiteTableReference id="NDW01_MT" version="1" targetClass="MeasurementSiteTable"/>
 <siteMeasurements>
 <measurementSiteReference id="RWS01_MONIBAS_0120vwg0001ra" version="1" targetClass="MeasurementSiteRecord"/>
 <measurementTimeDefault>{stamp}</measurementTimeDefault>
 <measuredValue index="1"><measuredValue><basicData xsi:type="TrafficFlow"><vehicleFlow>
 <vehicleFlowRate>{flow}</vehicleFlowRate></vehicleFlow></basicData></measuredValue></measuredValue>
 </siteMeasurements></payloadPublication></d2LogicalModel>""".encode()
