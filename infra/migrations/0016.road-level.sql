-- SPDX-License-Identifier: Apache-2.0
-- Flow, density and service level of a road, all vehicles together (schemas/live.py).
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0015.looking-ahead

ALTER TABLE live.road_minute
    ADD COLUMN flow_veh_h_lane real,
    ADD COLUMN density_low_veh_km_lane real,
    ADD COLUMN density_high_veh_km_lane real,
    ADD COLUMN service_level smallint;
