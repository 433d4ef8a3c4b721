// SPDX-License-Identifier: Apache-2.0
// The page: takes events in, keeps what stands, draws it, and says when it is no longer the present.
"use strict";

const SILENCE_MS = 20000; // the server speaks every 5 s; longer than this the line is dead
const RETRY_MS = 3000;
const CLOSED_SHOWN_MS = 900000;
const SIGHTING_SHOWN_MS = 900000;
const ARROWS = { "-1": ["↓", "neemt af"], "0": ["→", "gelijk"], "1": ["↑", "neemt toe"] };
const LIFE_SHOWN = 4;
const LATE_NOTE = "verouderd";

const held = { sites: new Map(), zones: new Map(), gates: new Map(), roads: new Map(), alerts: new Map() };
const told = new Map(); // what the live region has said of each alert
let clock = null; // { city, timezone, speed, stream, logTime, now, heard }
let connected = false;
let detailId = null; // of the alert that is shown in full, by detail.js
let source = null;
let surroundings = []; // road works, closures, events and incidents, now or soon
let heardMs = performance.now();

const byId = (id) => document.getElementById(id);

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Log time now: what the server said last, and what has passed since by a clock that nobody sets back.
const nowMs = () => clock.now + (performance.now() - clock.heard) * clock.speed;
const timeText = (ms, seconds) => new Intl.DateTimeFormat("nl-NL", {
  timeZone: clock.timezone, hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined,
}).format(ms);
const ageMs = (item) => item.window_end === null ? Infinity : nowMs() - Date.parse(item.window_end);
const isStale = (item) => item.window_end !== null && ageMs(item) > item.stale_after_s * 1000;

function ageText(item) {
  const seconds = Math.max(0, Math.floor(ageMs(item) / 1000));
  if (!Number.isFinite(seconds)) return "nog niets ontvangen";
  return seconds < 120 ? `${seconds} s oud` : `${Math.floor(seconds / 60)} min oud`;
}

// ---- taking in

function take(event) {
  heardMs = performance.now();
  connected = true;
  const document_ = JSON.parse(event.data);
  clock = {
    city: document_.city, timezone: document_.timezone, speed: document_.speed, stream: document_.stream,
    logTime: document_.log_time, now: Date.parse(document_.now), heard: performance.now(),
  };
  const whole = event.type === "state";
  for (const [kind, key] of [["sites", "key"], ["zones", "key"], ["gates", "key"], ["roads", "key"], ["alerts", "id"]]) {
    if (whole) held[kind].clear();
    for (const item of document_[kind]) held[kind].set(item[key], item);
  }
  if (document_.context !== null) surroundings = document_.context;
  sayAlerts(document_.alerts, whole && told.size === 0);
  draw();
  if (document_.alerts.some((alert) => alert.id === detailId)) refreshDetail();
}

function connect() {
  if (source !== null) source.close();
  heardMs = performance.now();
  source = new EventSource("/events");
  for (const kind of ["state", "change", "clock"]) source.addEventListener(kind, take);
  source.onerror = () => {
    connected = false;
    draw();
    // The browser retries by itself unless the server refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
}

function sayAlerts(alerts, isFirst) {
  const news = [];
  for (const alert of alerts) {
    const now = `${alert.open}|${alert.word}`;
    if (told.get(alert.id) === now) continue;
    if (!isFirst) {
      if (!alert.open) news.push(`Melding voorbij: ${alert.rule}, ${alert.name}.`);
      else if (told.has(alert.id)) news.push(`Melding ${alert.rule}, ${alert.name}: nu ${alert.word}.`);
      else news.push(`Nieuwe melding: ${alert.rule}, ${alert.name}.`);
    }
    told.set(alert.id, now);
  }
  if (isFirst) news.push(`${alerts.filter((alert) => alert.open).length} meldingen open.`);
  if (news.length) byId("said").textContent = news.join(" ");
}

// ---- drawing

function draw() {
  if (clock === null) {
    showBanner(connected ? "" : "Geen verbinding met de server; nog geen stand ontvangen.");
    return;
  }
  const stand = clock.logTime === null ? "nog geen stand" : `stand van ${timeText(Date.parse(clock.logTime))}`;
  setText(byId("clock"), timeText(nowMs(), true));
  setText(byId("stand"), stand);
  drawStanding(stand);
  for (const zone of held.zones.values()) drawZone(zone);
  for (const site of held.sites.values()) drawSite(site);
  drawAlerts();
  drawRoads();
  drawContext();
  drawSummary();
}

function drawStanding(stand) {
  const zones = [...held.zones.values()].filter((zone) => zone.window_end !== null);
  const allStale = zones.length > 0 && zones.every(isStale);
  let text = "";
  if (!connected) text = `Verbinding verbroken, ${stand}. Opnieuw verbinden…`;
  else if (clock.stream === "away") text = `Gegevensstroom verbroken, ${stand}.`;
  else if (clock.stream === "starting") text = "De stand wordt opgehaald…";
  else if (allStale) text = `Er komt niets nieuws binnen, ${stand}.`;
  else if (zones.length === 0) text = "Nog geen enkele zone heeft gegevens.";
  const broken = !connected || clock.stream === "away" || allStale;
  document.body.dataset.stand = broken ? "broken" : clock.stream;
  showBanner(text);
}

function showBanner(text) {
  const banner = byId("banner");
  setText(banner, text);
  banner.hidden = text === "";
}

function lineOf(parent, name) {
  let line = parent.querySelector(`.${name}`);
  if (line === null) {
    line = make("span", name);
    parent.append(line);
  }
  return line;
}

function drawZone(zone) {
  const tile = document.querySelector(`.tile[data-zone="${CSS.escape(zone.key)}"]`);
  if (tile === null) return;
  const stale = isStale(zone);
  const known = zone.level !== null && !stale;
  const tone = known ? String(zone.tone) : "none";
  const area = document.querySelector(`.area[data-zone="${CSS.escape(zone.key)}"]`);
  for (const element of [tile, area]) if (element && element.dataset.tone !== tone) element.dataset.tone = tone;
  const summary = tile.querySelector("summary");
  setText(lineOf(summary, "word"), known ? zone.word : stale ? LATE_NOTE : "geen gegevens");
  drawPercent(lineOf(summary, "percent"), zone, known);
  let people = known && zone.people ? `${zone.people.text} mensen` : "";
  if (stale && zone.level !== null) people = `was ${zone.word} om ${timeText(Date.parse(zone.window_end))}`;
  if (known && zone.status === "partial") people += `, deels gezien`;
  setText(lineOf(summary, "people"), people);
  setText(lineOf(summary, "age"), ageText(zone));
  setText(lineOf(summary, "sensor"), sensorNote(zone.sensors.filter((one) => one.noted)));
  const differs = hasSighting(zone) && zone.sighting.disagreement.startsWith("sensor-");
  setText(lineOf(summary, "seen"), differs ? `${zone.sighting.role}: ${zone.sighting.word}` : "");
  if (tile.open) drawMore(tile.querySelector(".more"), zone, known);
}

function drawPercent(line, zone, known) {
  const figure = known && zone.percent ? zone.percent.text
    : known && zone.density_per_m2 ? `${zone.density_per_m2.text} /m²` : "";
  const [arrow, meaning] = known && zone.trend !== null ? ARROWS[zone.trend] : ["", ""];
  const key = `${figure}|${arrow}`;
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  line.classList.toggle("long", figure.length > 8);
  const sign = make("span", "trend", arrow ? ` ${arrow}` : "");
  sign.setAttribute("aria-hidden", "true");
  line.replaceChildren(figure, sign, make("span", "hidden", meaning ? `, ${meaning}` : ""));
}

function drawMore(more, zone, known) {
  const lines = [];
  if (known && zone.density_per_m2) lines.push(`${zone.density_per_m2.text} mensen per m²`);
  lines.push(...insideLines(zone), ...aheadLines(zone));
  lines.push(`${Math.floor(zone.coverage * 100 + 1e-6)} % van de sensoren meldt`);
  if (zone.window_end !== null) lines.push(`minuut tot ${timeText(Date.parse(zone.window_end))}`);
  if (hasSighting(zone)) lines.push(sightingText(zone.sighting));
  for (const one of zone.sensors) lines.push(`${one.noun} ${one.key}: ${one.word} sinds ${sinceText(one.since)}`);
  for (const gate of held.gates.values()) {
    if (gate.zones.includes(zone.key)) lines.push(`${gate.name}: ${gateText(gate)}`);
  }
  more.replaceChildren(...lines.map((text) => make("p", "", text)));
}

function insideLines(zone) {
  const inside = zone.inside;
  if (inside === null || nowMs() - Date.parse(inside.window_end) > zone.stale_after_s * 1000) return [];
  const percent = inside.percent ? ` (${inside.percent})` : "";
  const notes = [inside.correction, inside.coverage < 1 ? `${Math.floor(inside.coverage * 100 + 1e-6)} % van de poorten gezien` : null];
  const note = notes.filter((one) => one !== null).join(", ");
  return [`binnen: ${inside.text}${percent}${note ? `, ${note}` : ""}`];
}

const shownAhead = (place) => place.ahead.filter((one) => nowMs() <= Date.parse(one.shown_until) && nowMs() < Date.parse(one.at));
const aheadText = (one) => `over ${one.ahead_min} min (${timeText(Date.parse(one.at))}): ${one.text}`;

function aheadLines(zone) {
  const ahead = shownAhead(zone);
  const word = zone.next ? zone.next.word : null;
  const chance = (one) => word && one.reach_percent !== null ? `, kans op ${word} ${Math.round(one.reach_percent)} %` : "";
  const lines = ahead.map((one) => `${aheadText(one)}${chance(one)}`);
  if (word) lines.unshift(`tot ${word}: ${nextText(zone.next)}`);
  return lines;
}

function nextText(next) {
  if (next.earliest_at === null) return "niet te zeggen";
  const [first, last] = [next.earliest_at, next.latest_at].map((at) => Math.max(0, Math.round((Date.parse(at) - nowMs()) / 60000)));
  return first === last ? `${first} min` : `${first}–${last} min`;
}

function drawSite(site) {
  const section = document.querySelector(`.site[data-site="${CSS.escape(site.key)}"]`);
  if (section === null) return;
  const ahead = shownAhead(site);
  setText(lineOf(section.querySelector("h2"), "ahead"), ahead.length ? aheadText(ahead[0]) : "");
}

function sensorNote(bad) {
  if (bad.length === 0) return "";
  if (bad.length === 1) return `${bad[0].noun} ${bad[0].word} sinds ${sinceText(bad[0].since)}`;
  const first = bad.reduce((one, other) => (Date.parse(other.since) < Date.parse(one.since) ? other : one));
  return `${bad.length} sensoren met een storing, de eerste sinds ${sinceText(first.since)}`;
}

// The time of day, with the day where it is not today.
function sinceText(stamp) {
  const since = Date.parse(stamp);
  const day = (ms) => new Intl.DateTimeFormat("nl-NL", { timeZone: clock.timezone, dateStyle: "short" }).format(ms);
  return day(since) === day(nowMs()) ? timeText(since) : dayText(since);
}

const hasSighting = (zone) => zone.sighting !== null && nowMs() - Date.parse(zone.sighting.at) <= SIGHTING_SHOWN_MS;
const sightingText = (seen) =>
  `${seen.role} ${timeText(Date.parse(seen.at))}: ${seen.people} mensen, ${seen.word}`;

function gateText(gate) {
  if (gate.withheld) return "afgeschermd (te weinig mensen)";
  if (gate.inward === null || isStale(gate)) return "geen gegevens";
  return `in ${gate.inward.text}, uit ${gate.outward.text}`;
}

function drawSummary() {
  const zones = [...held.zones.values()];
  const blind = zones.filter((zone) => zone.level === null || isStale(zone)).length;
  const seen = zones.filter((zone) => zone.level !== null && !isStale(zone));
  const parts = [];
  if (seen.length) {
    const worst = seen.reduce((one, other) => (other.tone > one.tone ? other : one));
    const same = seen.filter((zone) => zone.tone === worst.tone);
    parts.push(same.length === 1 ? `hoogste: ${worst.word}, ${worst.name}` : `hoogste: ${worst.word} (${same.length} zones)`);
  }
  if (blind) parts.push(`${blind} ${blind === 1 ? "zone" : "zones"} zonder gegevens`);
  setText(byId("summary"), parts.join(" · "));
}

function shownAlerts() {
  const shown = [...held.alerts.values()].filter(
    (alert) => alert.open || nowMs() - Date.parse(alert.at) <= CLOSED_SHOWN_MS,
  );
  // Open ones first, of these those that call somebody, then the worst, then the newest.
  const rank = (alert) => (alert.open ? 100 + alert.level + (alert.suppressed ? 0 : 50) : 0);
  return shown.sort((one, other) => rank(other) - rank(one) || Date.parse(other.at) - Date.parse(one.at));
}

function drawAlerts() {
  const shown = shownAlerts();
  const list = byId("alerts");
  const key = JSON.stringify(shown.map((alert) => [alert.id, alert.changes, trendOf(alert)]));
  const open = shown.filter((alert) => alert.open).length;
  setText(byId("open-count"), `(${open} open)`);
  byId("no-alerts").hidden = shown.length > 0;
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const focused = list.contains(document.activeElement) ? document.activeElement.closest(".alert").dataset.alert : null;
  list.replaceChildren(...shown.map(alertLine));
  // Whoever is at an alert's button stays there.
  if (focused !== null) list.querySelector(`[data-alert="${CSS.escape(focused)}"] button`)?.focus();
}

// What is so of an alert beside its level, in words.
function alertMarks(alert) {
  const marks = [];
  if (alert.exercise) marks.push("oefening");
  if (alert.escalated) marks.push("geëscaleerd");
  if (alert.acknowledged) marks.push(alert.acknowledged_by ? `bevestigd door ${alert.acknowledged_by}` : "bevestigd");
  if (alert.assigned) marks.push(`toegewezen aan ${alert.assigned}`);
  if (alert.suppressed) marks.push("onderdrukt");
  return marks;
}

// As of the newest change; an alert on a step of the grid has none of its own: then the zone's.
function trendOf(alert) {
  const zone = held.zones.get(alert.place);
  return alert.trend ?? (zone && !isStale(zone) ? zone.trend : null);
}

function alertFigure(alert) {
  const figure = make("span", "percent");
  if (!alert.open || alert.stale) return figure;
  const trend = trendOf(alert);
  const [arrow, meaning] = trend === null ? ["", ""] : ARROWS[trend];
  const sign = make("span", "trend", arrow ? ` ${arrow}` : "");
  sign.setAttribute("aria-hidden", "true");
  figure.append(alert.percent ? ` ${alert.percent.text}` : "", sign, make("span", "hidden", meaning ? `, ${meaning}` : ""));
  return figure;
}

function alertLine(alert) {
  const line = make("li", alert.open ? "alert" : "alert closed");
  line.dataset.alert = alert.id;
  line.dataset.tone = alert.stale ? "none" : String(alert.tone);
  const what = make("p", "what");
  what.append(make("span", "chip", alert.open ? alert.word : "voorbij"), ` ${alert.name}`, alertFigure(alert));
  const since = timeText(Date.parse(alert.opened_at));
  const span = alert.open ? `sinds ${since}` : `${since}–${timeText(Date.parse(alert.at))}`;
  const facts = [`regel ${alert.rule}`, alert.severity_word, span, alert.open ? alert.state_word : `hoogste ${alert.worst_word}`];
  if (alert.open) facts.push(alert.certainty);
  if (alert.open && alert.minutes_to_next) facts.push(`volgend niveau over ${alert.minutes_to_next.text}`);
  line.append(what, make("p", "life", facts.join(" · ")));
  if (alert.changes > 1) {
    // A change of a flag alone is no step: marks tell it.
    const word = (change) => change.state === "resolved" ? "voorbij" : change.word;
    const steps = alert.life.filter((change, at, all) => at === 0 || word(change) !== word(all[at - 1]))
      .map((change) => `${timeText(Date.parse(change.at))} ${word(change)}`);
    const left = steps.length > LIFE_SHOWN || alert.changes > alert.life.length ? ["…"] : [];
    if (steps.length + left.length > 1) line.append(make("p", "life", [...left, ...steps.slice(-LIFE_SHOWN)].join(" → ")));
  }
  const marks = make("p", "marks");
  marks.append(...alertMarks(alert).map((mark) => make("span", "", mark)));
  const look = make("button", "", "Bekijken");
  look.type = "button";
  look.setAttribute("aria-label", `Bekijken: ${alert.word}, ${alert.name}, regel ${alert.rule}`);
  look.addEventListener("click", () => openDetail(alert.id));
  line.append(marks, look);
  return line;
}

function drawRoads() {
  const roads = byId("roads");
  roads.hidden = held.roads.size === 0;
  const seen = [...held.roads.values()].filter((road) => road.vehicles_per_min !== null && !isStale(road)).length;
  setText(byId("roads-count"), `${held.roads.size} meetpunten, ${seen} met gegevens`);
  if (!roads.open) return;
  roads.querySelector("tbody").replaceChildren(...[...held.roads.values()].map((road) => {
    const row = make("tr");
    const known = !isStale(road);
    const number = (value) => known && value !== null ? value.toFixed(0) : "geen gegevens";
    const ahead = shownAhead(road).map(aheadText)[0] ?? "";
    for (const text of [road.name, number(road.vehicles_per_min), number(road.speed_km_h), ahead, ageText(road)]) {
      row.append(make("td", "", text));
    }
    return row;
  }));
}

function drawContext() {
  const shown = surroundings.filter((one) => one.ends_at === null || Date.parse(one.ends_at) > nowMs());
  const begun = (one) => Date.parse(one.begins_at) <= nowMs();
  const list = byId("context-list");
  const key = JSON.stringify(shown.map((one) => [one.source, one.id, one.begins_at, one.ends_at, one.what, begun(one)]));
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  byId("context").hidden = shown.length === 0;
  list.replaceChildren(...shown.map((one) => make("li", "", contextText(one, begun(one)))));
  for (const section of document.querySelectorAll(".site")) {
    section.querySelector(".map .context").replaceChildren(...shown.filter((one) => one.paths[section.dataset.site])
      .map((one) => contextPath(one, section.dataset.site, begun(one))));
  }
}

function contextText(one, begun) {
  const from = begun ? "" : ` vanaf ${dayText(Date.parse(one.begins_at))}`;
  const until = one.ends_at === null ? "" : ` tot ${dayText(Date.parse(one.ends_at))}`;
  return `${one.word}${from}${until}`;
}

const dayText = (ms) => new Intl.DateTimeFormat("nl-NL", {
  timeZone: clock.timezone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
}).format(ms);

function contextPath(one, site, begun) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", one.paths[site]);
  path.dataset.kind = one.kind;
  path.dataset.begun = String(begun);
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = contextText(one, begun);
  path.append(title);
  return path;
}

// ---- beginning

for (const section of document.querySelectorAll(".site")) {
  // A site is as wide as its map and tiles together ask for.
  const parts = section.querySelectorAll(".tile").length;
  section.style.flex = `${parts} 1 ${parts * 10.2 + 10}rem`;
}
for (const details of document.querySelectorAll("details")) details.addEventListener("toggle", draw);
setInterval(() => {
  if (performance.now() - heardMs > SILENCE_MS) {
    connected = false;
    connect();
  }
  draw();
}, 1000);
connect();
draw();
