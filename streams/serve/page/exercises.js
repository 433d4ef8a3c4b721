// SPDX-License-Identifier: Apache-2.0
// Exercises: a banner for as long as one is on or one of its alerts is open, and a mark on each place and site it touches.
import { byId, lineOf, setText } from "./elements.js";
import { drills, held, sinceText } from "./present.js";

export const EXERCISE = "OEFENING";

const openOnes = () => [...held.alerts.values()].filter((alert) => alert.exercise && alert.open);

export function drawExercises() {
  const open = openOnes();
  const banner = byId("exercise-banner");
  setText(banner, bannerText(open.length));
  banner.hidden = banner.textContent === "";
  const places = new Set(open.map((alert) => alert.place));
  for (const tile of document.querySelectorAll(".tile")) mark(tile.querySelector("summary"), places.has(tile.dataset.zone));
  const sites = new Set(drills.filter((one) => one.kind === "site").map((one) => one.key));
  for (const section of document.querySelectorAll(".site")) mark(section.querySelector("h2"), sites.has(section.dataset.site));
}

function mark(parent, isExercise) {
  if (isExercise || parent.querySelector(".exercise")) setText(lineOf(parent, "exercise"), isExercise ? EXERCISE : "");
}

const untilText = (one) => (one.until === null ? "" : `, tot uiterlijk ${sinceText(one.until)}`);

function bannerText(open) {
  const count = open === 1 ? "1 melding van een oefening staat open" : `${open} meldingen van een oefening staan open`;
  if (drills.length) {
    const where = drills.map((one) => `${one.words} sinds ${sinceText(one.since)}${untilText(one)} (${one.role})`).join(", ");
    return `${EXERCISE} ${where}${open ? ` · ${count}` : ""}`;
  }
  return open ? `${EXERCISE} voorbij, maar ${count}` : "";
}
