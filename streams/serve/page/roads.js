// SPDX-License-Identifier: Apache-2.0
// The table of roads; drawn while it is open.
import { aheadText, shownAhead } from "./ahead.js";
import { byId, make, setText } from "./elements.js";
import { ageText, held, isStale } from "./present.js";

export function drawRoads() {
  const roads = byId("roads");
  const all = [...held.roads.values()];
  roads.hidden = all.length === 0;
  const seen = all.filter((road) => road.vehicles_per_min !== null && !isStale(road)).length;
  setText(byId("roads-count"), `${all.length} ${all.length === 1 ? "meetpunt" : "meetpunten"}, ${seen} met gegevens`);
  if (roads.open) roads.querySelector("tbody").replaceChildren(...all.map(roadLine));
}

function roadLine(road) {
  const row = make("tr");
  const known = !isStale(road);
  const number = (value) => known && value !== null ? value.toFixed(0) : "geen gegevens";
  const extra = (text) => known && text !== null ? text : "";
  const bounds = road.speed_bounds_km_h ? ` (${road.speed_bounds_km_h.text})` : "";
  const share = road.percent_of_free_flow === null ? null : `${Math.floor(road.percent_of_free_flow + 1e-4)} %`;
  const ahead = shownAhead(road).map(aheadText)[0] ?? "";
  const cells = [
    road.name, number(road.vehicles_per_min), `${number(road.speed_km_h)}${extra(bounds)}`, extra(share),
    extra(road.service_level), ahead, ageText(road),
  ];
  row.append(...cells.map((text) => make("td", "", text)));
  return row;
}
