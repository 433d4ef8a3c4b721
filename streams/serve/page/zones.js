// SPDX-License-Identifier: Apache-2.0
// Tiles and map of the zones, and the worst of them in a line. What is missing or old never looks calm.
import { aheadLines, aheadText, shownAhead } from "./ahead.js";
import { byId, figureParts, lineOf, make, setText } from "./elements.js";
import { ageText, held, isStale, nowMs, shareText, sinceText, timeText } from "./present.js";

const SIGHTING_SHOWN_MS = 900000;
const LATE_NOTE = "verouderd";
const BY_GATES = "volgens de poorten";

export function drawZones() {
  for (const zone of held.zones.values()) drawZone(zone);
  for (const site of held.sites.values()) drawSite(site);
  drawSummary();
}

const insideNow = (zone) => zone.inside !== null && nowMs() - Date.parse(zone.inside.window_end) <= zone.stale_after_s * 1000
  ? zone.inside : null;

// How a zone stands now, null where nobody knows: by what sensors see. By its gates only where no sensor could see it,
// and then it says so.
function standing(zone) {
  if (zone.level !== null && !isStale(zone)) {
    const density = zone.density_per_m2 ? `${zone.density_per_m2.text} /m²` : "";
    const figure = zone.percent ? zone.percent.text : density;
    const people = `${zone.people ? `${zone.people.text} mensen` : ""}${zone.status === "partial" ? ", deels gezien" : ""}`;
    return { tone: zone.tone, word: zone.word, trend: zone.trend, figure, people };
  }
  const inside = insideNow(zone);
  if (zone.is_seen || inside === null || inside.status === "missing") return null;
  const density = inside.density_per_m2 ? `${inside.density_per_m2.text} /m²` : "";
  const note = inside.coverage < 1 ? `${BY_GATES}, deels gezien` : BY_GATES;
  return { tone: inside.tone, word: inside.word, trend: null, figure: inside.percent ?? density, people: `${inside.text} mensen, ${note}` };
}

function drawZone(zone) {
  const tile = document.querySelector(`.tile[data-zone="${CSS.escape(zone.key)}"]`);
  if (tile === null) return;
  const stale = isStale(zone);
  const stand = standing(zone);
  const tone = stand ? String(stand.tone) : "none";
  const area = document.querySelector(`.area[data-zone="${CSS.escape(zone.key)}"]`);
  for (const element of [tile, area]) if (element && element.dataset.tone !== tone) element.dataset.tone = tone;
  const summary = tile.querySelector("summary");
  setText(lineOf(summary, "word"), stand ? stand.word : stale ? LATE_NOTE : "geen gegevens");
  drawPercent(lineOf(summary, "percent"), stand?.figure ?? "", stand?.trend ?? null);
  const was = stale && zone.level !== null ? `was ${zone.word} om ${sinceText(zone.window_end)}` : "";
  setText(lineOf(summary, "people"), stand ? stand.people : was);
  setText(lineOf(summary, "age"), ageText(zone));
  setText(lineOf(summary, "sensor"), sensorNote(zone.sensors.filter((one) => one.noted)));
  setText(lineOf(summary, "empty"), emptyText(zone));
  const differs = hasSighting(zone) && zone.sighting.disagreement.startsWith("sensor-");
  setText(lineOf(summary, "seen"), differs ? `${zone.sighting.role}: ${zone.sighting.word}` : "");
  if (tile.open) drawMore(tile.querySelector(".more"), zone);
}

// How long it needs to empty, where that matters now: by the people known, so nobody can say of what is old.
function emptyText(zone) {
  if (zone.empty === null) return "";
  return insideNow(zone) === null && isStale(zone) ? "leeg: niet te zeggen" : zone.empty.text;
}

function emptyLines(zone) {
  const text = emptyText(zone);
  if (text === "") return [];
  const closed = zone.empty.closed.length ? ` (dicht: ${zone.empty.closed.join(", ")})` : "";
  const lost = text === zone.empty.text ? zone.empty.with_one_shut.map((one) => one.text) : [];
  return [`${text}${closed}`, ...lost];
}

function drawPercent(line, figure, trend) {
  const key = `${figure}|${trend}`;
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  line.classList.toggle("long", figure.length > 8);
  line.replaceChildren(...figureParts(figure, trend));
}

function drawMore(more, zone) {
  const lines = [];
  if (!isStale(zone) && zone.density_per_m2) lines.push(`${zone.density_per_m2.text} mensen per m²`);
  lines.push(...insideLines(zone), ...emptyLines(zone), ...aheadLines(zone));
  lines.push(`${shareText(zone.coverage)} van de sensoren meldt`);
  if (zone.window_end !== null) lines.push(`minuut tot ${timeText(Date.parse(zone.window_end))}`);
  if (hasSighting(zone)) lines.push(sightingText(zone.sighting));
  for (const one of zone.sensors) lines.push(`${one.noun} ${one.key}: ${one.word} sinds ${sinceText(one.since)}`);
  for (const gate of held.gates.values()) {
    if (gate.zones.includes(zone.key)) lines.push(`${gate.name}: ${gateText(gate)}`);
  }
  more.replaceChildren(...lines.map((text) => make("p", "", text)));
}

function insideLines(zone) {
  const inside = insideNow(zone);
  if (inside === null) return [];
  const percent = inside.percent ? ` (${inside.percent})` : "";
  const notes = [inside.correction, inside.coverage < 1 ? `${shareText(inside.coverage)} van de poorten gezien` : null];
  const note = notes.filter((one) => one !== null).join(", ");
  const density = inside.density_per_m2 ? `${inside.density_per_m2.text} mensen per m², geschat ${BY_GATES}` : null;
  return [`binnen: ${inside.text}${percent}${note ? `, ${note}` : ""}`, density].filter((one) => one !== null);
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

const hasSighting = (zone) => zone.sighting !== null && nowMs() - Date.parse(zone.sighting.at) <= SIGHTING_SHOWN_MS;
const sightingText = (seen) =>
  `${seen.role} ${timeText(Date.parse(seen.at))}: ${seen.people} mensen, ${seen.word}`;

function gateText(gate) {
  if (gate.withheld) return "afgeschermd (te weinig mensen)";
  if (gate.inward === null || isStale(gate)) return "geen gegevens";
  const flow = gate.flow_per_m_min ? `, ${gate.flow_per_m_min.text} per meter per minuut` : "";
  const part = gate.coverage < 1 ? `, ${shareText(gate.coverage)} gezien` : "";
  return `in ${gate.inward.text}, uit ${gate.outward.text}${flow}${part}`;
}

function drawSummary() {
  const zones = [...held.zones.values()];
  const seen = zones.map((zone) => ({ name: zone.name, ...standing(zone) })).filter((zone) => zone.tone !== undefined);
  const blind = zones.length - seen.length;
  const parts = [];
  if (seen.length) {
    const worst = seen.reduce((one, other) => (other.tone > one.tone ? other : one));
    const same = seen.filter((zone) => zone.tone === worst.tone);
    parts.push(same.length === 1 ? `hoogste: ${worst.word}, ${worst.name}` : `hoogste: ${worst.word} (${same.length} zones)`);
  }
  if (blind) parts.push(`${blind} ${blind === 1 ? "zone" : "zones"} zonder gegevens`);
  setText(byId("summary"), parts.join(" · "));
}

// A site is as wide as its map and tiles together ask for.
export function layOut() {
  for (const section of document.querySelectorAll(".site")) {
    const parts = section.querySelectorAll(".tile").length;
    section.style.flex = `${parts} 1 ${parts * 10.2 + 10}rem`;
  }
}
