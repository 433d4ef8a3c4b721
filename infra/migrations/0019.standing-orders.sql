-- SPDX-License-Identifier: Apache-2.0
-- What a command begins or ends, as KIND/KEY, and whether it holds from then on.
-- depends: 0018.closed-gates

ALTER TABLE live.command_outcome
    ADD COLUMN standing_order text NOT NULL DEFAULT '',
    ADD COLUMN stands boolean NOT NULL DEFAULT false;
