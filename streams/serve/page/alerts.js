// SPDX-License-Identifier: Apache-2.0
// The list of alerts: open ones first, each with its life in a line; and what the live region says of them.
import { byId, figureParts, make, setText } from "./elements.js";
import { EXERCISE } from "./exercises.js";
import { nextText } from "./ahead.js";
import { held, isStale, nowMs, sinceText } from "./present.js";

const CLOSED_SHOWN_MS = 900000;
const LIFE_SHOWN = 4;
const FIGURE_FRESH_MS = 180000;

export const told = new Map(); // what the live region has said of each alert

export function sayAlerts(alerts, whole) {
  const isFirst = whole && told.size === 0;
  const news = [];
  for (const alert of alerts) {
    const now = `${alert.open}|${alert.word}`;
    if (told.get(alert.id) === now) continue;
    if (!isFirst) {
      if (!alert.open) news.push(`Melding voorbij: ${alert.rule}, ${alert.name}.`);
      else if (told.has(alert.id)) news.push(`Melding ${alert.rule}, ${alert.name}: nu ${alert.word}.`);
      else news.push(`Nieuwe melding${alert.exercise ? " van een oefening" : ""}: ${alert.rule}, ${alert.name}.`);
    }
    told.set(alert.id, now);
  }
  if (isFirst) {
    const open = alerts.filter((alert) => alert.open).length;
    news.push(`${open} ${open === 1 ? "melding" : "meldingen"} open.`);
  }
  if (news.length) byId("said").textContent = news.join(" ");
}

// A wall runs for weeks: what is no longer shown is not kept either.
function forgetClosed() {
  for (const alert of held.alerts.values()) {
    if (alert.open || nowMs() - Date.parse(alert.at) <= CLOSED_SHOWN_MS) continue;
    held.alerts.delete(alert.id);
    told.delete(alert.id);
  }
}

function shownAlerts() {
  forgetClosed();
  const shown = [...held.alerts.values()];
  // Open ones first, of these those that call somebody, then the worst, then the newest.
  const rank = (alert) => (alert.open ? 100 + alert.level + (alert.suppressed ? 0 : 50) : 0);
  return shown.sort((one, other) => rank(other) - rank(one) || Date.parse(other.at) - Date.parse(one.at));
}

// `look` opens one of them in full.
export function drawAlerts(look) {
  const shown = shownAlerts();
  const list = byId("alerts");
  const key = JSON.stringify(shown.map((alert) => [alert.id, alert.changes, trendOf(alert), isOfBefore(alert), alert.open ? nextOf(alert) : ""]));
  const open = shown.filter((alert) => alert.open).length;
  setText(byId("open-count"), `(${open} open)`);
  byId("no-alerts").hidden = shown.length > 0;
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const focused = list.contains(document.activeElement) ? document.activeElement.closest(".alert").dataset.alert : null;
  list.replaceChildren(...shown.map((alert) => alertLine(alert, look)));
  // Whoever is at an alert's button stays there.
  if (focused !== null) lookButton(focused)?.focus();
}

export const lookButton = (id) => document.querySelector(`.alert[data-alert="${CSS.escape(id)}"] button`);

// What is so of an alert beside its level, in words.
export function alertMarks(alert) {
  const marks = [];
  if (alert.escalated) marks.push("geëscaleerd");
  if (alert.acknowledged) marks.push(alert.acknowledged_by ? `bevestigd door ${alert.acknowledged_by}` : "bevestigd");
  if (alert.assigned) marks.push(`toegewezen aan ${alert.assigned}`);
  if (alert.suppressed) marks.push("onderdrukt");
  return marks;
}

// The figures of an alert are those of its newest change, which may lie hours back: then they say of when they are.
const isOfBefore = (alert) => nowMs() - Date.parse(alert.seen_at) > FIGURE_FRESH_MS;

// As of the newest change; an alert on a step of the grid has none of its own: then the zone's. Of before there is none.
function trendOf(alert) {
  if (isOfBefore(alert)) return null;
  const zone = held.zones.get(alert.place);
  return alert.trend ?? (zone && !isStale(zone) ? zone.trend : null);
}

function percentOf(alert) {
  if (!alert.percent) return "";
  return ` ${alert.percent.text}${isOfBefore(alert) ? ` om ${sinceText(alert.seen_at)}` : ""}`;
}

// The level that the place has next and when, by what stands now.
function nextOf(alert) {
  const zone = held.zones.get(alert.place);
  return zone && zone.next && zone.next.earliest_at !== null && !isStale(zone) ? `tot ${zone.next.word}: ${nextText(zone.next)}` : "";
}

// The word for alerts of an exercise, before all else; nothing for others.
export function exerciseParts(alert) {
  return alert.exercise ? [make("span", "exercise", EXERCISE), " "] : [];
}

export const toneOf = (alert) => (alert.stale || alert.tone === null ? "none" : String(alert.tone));

export function alertFigure(alert) {
  const figure = make("span", "percent");
  if (alert.open && !alert.stale) figure.append(...figureParts(percentOf(alert), trendOf(alert)));
  return figure;
}

function alertLine(alert, look) {
  const line = make("li", alert.open ? "alert" : "alert closed");
  if (alert.exercise) line.classList.add("drilled");
  line.dataset.alert = alert.id;
  line.dataset.tone = toneOf(alert);
  const what = make("p", "what");
  what.append(...exerciseParts(alert), make("span", alert.open && alert.expected ? "chip expected" : "chip", alert.open ? alert.word : "voorbij"), ` ${alert.name}`, alertFigure(alert));
  line.append(what, make("p", "life", factsOf(alert).join(" · ")));
  const steps = stepsOf(alert);
  if (steps.length > 1) line.append(make("p", "life", steps.join(" → ")));
  const marks = make("p", "marks");
  marks.append(...alertMarks(alert).map((mark) => make("span", "", mark)));
  const button = make("button", "", "Bekijken");
  button.type = "button";
  button.setAttribute("aria-label", `Bekijken: ${alert.exercise ? "oefening, " : ""}${alert.word}, ${alert.name}, regel ${alert.rule}`);
  button.addEventListener("click", () => look(alert.id));
  line.append(marks, button);
  return line;
}

function factsOf(alert) {
  const since = sinceText(alert.opened_at);
  const span = alert.open ? `sinds ${since}` : `${since}–${sinceText(alert.at)}`;
  const facts = [`regel ${alert.rule}`, alert.severity_word, span, alert.open ? alert.state_word : `hoogste ${alert.worst_word}`];
  if (alert.open) facts.push(alert.certainty);
  if (alert.open && nextOf(alert)) facts.push(nextOf(alert));
  return facts;
}

// The newest steps of its life; a change of a flag alone is none: marks tell it.
function stepsOf(alert) {
  const word = (change) => change.state === "resolved" ? "voorbij" : change.word;
  const steps = alert.life.filter((change, at, all) => at === 0 || word(change) !== word(all[at - 1]))
    .map((change) => `${sinceText(change.at)} ${word(change)}`);
  const left = steps.length > LIFE_SHOWN || alert.changes > alert.life.length ? ["…"] : [];
  return [...left, ...steps.slice(-LIFE_SHOWN)];
}
