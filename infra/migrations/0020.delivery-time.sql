-- SPDX-License-Identifier: Apache-2.0
-- The time of the transition that was told: the watchdog's own are in no other table. Null in older records.
-- depends: 0019.standing-orders

ALTER TABLE live.delivery ADD COLUMN at timestamptz;
