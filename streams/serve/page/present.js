// SPDX-License-Identifier: Apache-2.0
// What stands: the newest of each place and alert, and log time, by which all of it is new or old.

const KEYS = { sites: "key", zones: "key", gates: "key", roads: "key", alerts: "id" };

export const held = { sites: new Map(), zones: new Map(), gates: new Map(), roads: new Map(), alerts: new Map() };
export let clock = null; // { city, timezone, speed, stream, logTime, now, heard }
export let drills = []; // exercises that are on
export let surroundings = []; // road works, closures, events and incidents, now or soon

// Take in a document of the server: all that stands (`whole`), or what has changed of it.
export function hold(told, whole) {
  clock = {
    city: told.city_sha256, timezone: told.timezone, speed: told.speed, stream: told.stream, logTime: told.log_time,
    now: Date.parse(told.now), heard: performance.now(),
  };
  for (const [kind, key] of Object.entries(KEYS)) {
    if (whole) held[kind].clear();
    for (const item of told[kind]) held[kind].set(item[key], item);
  }
  drills = told.drills;
  if (told.context !== null) surroundings = told.context;
}

// Log time now: what the server said last, and what has passed since by a clock that nobody sets back.
export const nowMs = () => clock.now + (performance.now() - clock.heard) * clock.speed;

export const timeText = (ms, seconds) => new Intl.DateTimeFormat("nl-NL", {
  timeZone: clock.timezone, hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined,
}).format(ms);

export const dayText = (ms) => new Intl.DateTimeFormat("nl-NL", {
  timeZone: clock.timezone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
}).format(ms);

// Whether places have come or gone since the page was drawn: what it draws of them no longer is all there is.
export const isOfOtherCity = () => clock !== null && clock.city !== document.body.dataset.city;

// The time of day, with the day where it is not today.
export function momentText(ms, seconds) {
  const day = (at) => new Intl.DateTimeFormat("nl-NL", { timeZone: clock.timezone, dateStyle: "short" }).format(at);
  return day(ms) === day(nowMs()) ? timeText(ms, seconds) : dayText(ms);
}

export const sinceText = (stamp) => momentText(Date.parse(stamp));

const ageMs = (item) => item.window_end === null ? Infinity : nowMs() - Date.parse(item.window_end);
export const isStale = (item) => item.window_end !== null && ageMs(item) > item.stale_after_s * 1000;

export function ageText(item) {
  const seconds = Math.max(0, Math.floor(ageMs(item) / 1000));
  if (!Number.isFinite(seconds)) return "nog niets ontvangen";
  return seconds < 120 ? `${seconds} s oud` : `${Math.floor(seconds / 60)} min oud`;
}

// Shares are rounded down: not all of it never reads as 100 %.
export const shareText = (share) => `${Math.floor(share * 100 + 1e-6)} %`;
