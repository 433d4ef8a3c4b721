-- SPDX-License-Identifier: Apache-2.0
-- From when a city version holds; null for a deployment's first one. The rows of engine.place are those of the
-- versions that were in force so far: a version that takes over later brings its places when it does.
-- depends: 0001.live

ALTER TABLE engine.city_version ADD COLUMN effective_at timestamptz;
