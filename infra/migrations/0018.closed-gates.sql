-- SPDX-License-Identifier: Apache-2.0
-- Until when a command holds, such as a gate that operators closed; its gate stands in `place`.
-- depends: 0017.measures

ALTER TABLE live.command_outcome ADD COLUMN until timestamptz;
