// SPDX-License-Identifier: Apache-2.0
// What lies around the zones: road works, closures, events and incidents, as a list and on the maps.
import { byId, make } from "./elements.js";
import { dayText, nowMs, surroundings } from "./present.js";

const SVG = "http://www.w3.org/2000/svg";

export function drawContext() {
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

function contextPath(one, site, begun) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", one.paths[site]);
  path.dataset.kind = one.kind;
  path.dataset.begun = String(begun);
  const title = document.createElementNS(SVG, "title");
  title.textContent = contextText(one, begun);
  path.append(title);
  return path;
}
