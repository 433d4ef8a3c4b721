// SPDX-License-Identifier: Apache-2.0
// What is to come of a place, in words; what has come or is no longer vouched for is left out.
import { isStale, nowMs, timeText } from "./present.js";

export const shownAhead = (place) => place.ahead.filter((one) => nowMs() <= Date.parse(one.shown_until) && nowMs() < Date.parse(one.at));

// Of when it is, and how long from now: what was looked at up to a quarter of an hour ago is nearer by that.
export function aheadText(one) {
  const minutes = Math.ceil((Date.parse(one.at) - nowMs()) / 60000);
  return `om ${timeText(Date.parse(one.at))} (over ${minutes} min): ${one.text}`;
}

export function aheadLines(zone) {
  // Of what is old nobody can say when it gets busier: what was told of it then has passed.
  const word = zone.next && !isStale(zone) ? zone.next.word : null;
  const chance = (one) => one.reach_percent === null ? ""
    : `, kans op een hoger niveau dan om ${timeText(Date.parse(one.at) - one.ahead_min * 60000)}: ${Math.round(one.reach_percent)} %`;
  const lines = shownAhead(zone).map((one) => `${aheadText(one)}${chance(one)}`);
  if (word) lines.unshift(`tot ${word}: ${nextText(zone.next)}`);
  return lines;
}

export function nextText(next) {
  if (next.earliest_at === null) return "niet te zeggen";
  const [first, last] = [next.earliest_at, next.latest_at].map((at) => Math.max(0, Math.round((Date.parse(at) - nowMs()) / 60000)));
  return first === last ? `${first} min` : `${first}–${last} min`;
}
