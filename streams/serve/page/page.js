// SPDX-License-Identifier: Apache-2.0
// The page: takes what the server tells, draws all that stands, and says when it is no longer the present.
import { drawQuietEnds } from "./alert_orders.js";
import { drawAlerts, sayAlerts } from "./alerts.js";
import { drawContext } from "./context.js";
import { openDetail, refreshIfShown } from "./detail.js";
import { byId, setText } from "./elements.js";
import { drawExercises } from "./exercises.js";
import { clock, held, hold, isOfOtherCity, isStale, momentText, nowMs, timeText } from "./present.js";
import { drawRoads } from "./roads.js";
import { checkSilence, connected, follow } from "./stream.js";
import { drawZones, layOut } from "./zones.js";
import "./drill.js";

const RELOAD_AFTER_MS = 2000;

function take(told, whole) {
  hold(told, whole);
  sayAlerts(told.alerts, whole);
  draw();
  refreshIfShown(told.alerts);
}

function draw() {
  if (clock === null) {
    showBanner(connected ? "" : "Geen verbinding met de server; nog geen stand ontvangen.");
    return;
  }
  const stand = clock.logTime === null ? "nog geen stand" : `stand van ${momentText(Date.parse(clock.logTime))}`;
  setText(byId("clock"), timeText(nowMs(), true));
  setText(byId("stand"), stand);
  drawStanding(stand);
  drawZones();
  drawAlerts(openDetail);
  drawExercises();
  drawRoads();
  drawContext();
  if (byId("detail").open) drawQuietEnds();
}

function drawStanding(stand) {
  const zones = [...held.zones.values()].filter((zone) => zone.window_end !== null);
  const allStale = zones.length > 0 && zones.every(isStale);
  let text = "";
  if (isOfOtherCity()) text = "Het stadsbestand is veranderd; de pagina wordt opnieuw geladen zodra er geen venster openstaat.";
  else if (!connected) text = `Verbinding verbroken, ${stand}. Opnieuw verbinden…`;
  else if (clock.stream === "away") text = `Gegevensstroom verbroken, ${stand}.`;
  else if (clock.stream === "starting") text = "De stand wordt opgehaald…";
  else if (allStale) text = `Er komt niets nieuws binnen, ${stand}.`;
  else if (zones.length === 0) text = "Nog geen enkele zone heeft gegevens.";
  const broken = isOfOtherCity() || !connected || clock.stream === "away" || allStale;
  document.body.dataset.stand = broken ? "broken" : clock.stream;
  showBanner(text);
}

function showBanner(text) {
  const banner = byId("banner");
  setText(banner, text);
  banner.hidden = text === "";
}

// Never while somebody gives an order, and not at once again where two servers have different versions.
function reloadForOtherCity() {
  if (isOfOtherCity() && connected && performance.now() > RELOAD_AFTER_MS && !document.querySelector("dialog[open]")) location.reload();
}

layOut();
for (const details of document.querySelectorAll("details")) details.addEventListener("toggle", draw);
setInterval(() => {
  checkSilence();
  draw();
  reloadForOtherCity();
}, 1000);
follow(take, draw);
draw();
