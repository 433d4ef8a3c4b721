// SPDX-License-Identifier: Apache-2.0
// One alert in full: its cards, why it is there, and an operator's orders about it.
import { drawQuietEnds, wireAlertOrders } from "./alert_orders.js";
import { alertFigure, alertMarks, exerciseParts, lookButton, toneOf } from "./alerts.js";
import { byId, make, setText } from "./elements.js";
import { headers, order, say as answer, signIn } from "./orders.js";
import { momentText, shareText, sinceText, timeText } from "./present.js";

const FLAG_WORDS = {
  acknowledged: "bevestigd", escalated: "geëscaleerd", suppressed: "onderdrukt", stale: "geen gegevens", exercise: "oefening",
};
let shownId = null;
let shown = null; // the alert as it was told last

export async function openDetail(id) {
  [shownId, shown] = [id, null];
  for (const part of ["detail-facts", "detail-cards", "detail-why"]) byId(part).replaceChildren();
  byId("detail-title").textContent = "Melding";
  signIn(byId("alert-orders"));
  drawQuietEnds();
  if (!byId("detail").open) byId("detail").showModal();
  await refreshDetail();
  byId("detail-title").focus();
}

export function refreshIfShown(alerts) {
  if (alerts.some((alert) => alert.id === shownId)) refreshDetail();
}

async function refreshDetail() {
  const id = shownId;
  if (id === null) return;
  let told = null;
  try {
    const reply = await fetch(`/api/alerts/${encodeURIComponent(id)}`, { headers: headers() });
    if (reply.ok) told = await reply.json();
  } catch {
    told = null;
  }
  if (id !== shownId) return; // another one was opened meanwhile
  if (told === null) {
    answer("Deze melding is nu niet op te halen.");
    return;
  }
  shown = told.alert;
  drawDetail(told);
}

function drawDetail(told) {
  const alert = told.alert;
  setText(byId("detail-title"), `${alert.name}, ${told.site_name}`);
  const what = make("p", "what");
  const chip = make("span", alert.open && alert.expected ? "chip expected" : "chip", alert.open ? alert.word : "voorbij");
  chip.dataset.tone = alert.open ? toneOf(alert) : "none";
  what.append(...exerciseParts(alert), chip, alertFigure(alert));
  const facts = [`regel ${alert.rule}`, alert.severity_word, `sinds ${sinceText(alert.opened_at)}`, alert.state_word];
  if (alert.open) facts.push(`${alert.certainty}${alert.people ? ` (${alert.people.text} mensen)` : ""}`, told.next_level);
  facts.push(...emptyFacts(told.empty));
  const marks = make("p", "marks", alertMarks(alert).join(" · "));
  byId("detail-facts").replaceChildren(what, make("p", "", facts.join(" · ")), marks);
  if (told.camera_url && /^https?:\/\//.test(told.camera_url)) {
    const link = make("a", "", "Camerabeeld");
    link.href = told.camera_url;
    link.target = "_blank";
    link.rel = "noreferrer";
    byId("detail-facts").append(link);
  }
  drawCards(told.cards);
  drawWhy(told);
  drawQuietEnds();
}

function emptyFacts(empty) {
  if (!empty || empty.people_at_most === 0) return [];
  const minutes = (one) => (one.minutes === null ? "niet te zeggen" : `${Math.ceil(one.minutes)} min`);
  const closed = empty.closed.length ? ` (dicht: ${empty.closed.join(", ")})` : "";
  const lost = empty.with_one_shut.map((one) => `met ${one.name} dicht: ${minutes(one)}`);
  return [`leeg na ${minutes(empty)}${closed}`, ...lost];
}

function drawCards(cards) {
  const box = byId("detail-cards");
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.measure : null;
  box.replaceChildren(...cards.map(cardOf));
  if (focused) (box.querySelector(`[data-measure="${CSS.escape(focused)}"]`) ?? byId("detail-title")).focus();
}

function cardOf(card) {
  const box = make("section", "card");
  box.append(make("h3", "", card.title));
  const facts = make("dl");
  const lines = [
    ["aanleiding", card.trigger], ["beslist", card.decides], ["tekst op borden", card.sign_text], ["omleiding", card.detour],
    ["stopt als", card.stop_when], ["moet geven", card.effect], ["plan", card.plan_name],
  ];
  for (const [word, text] of lines) if (text) facts.append(make("dt", "", word), make("dd", "", text));
  const steps = make("ol");
  steps.append(...card.steps.map((step) => make("li", "", step)));
  box.append(facts, steps);
  if (card.taken_at) box.append(make("p", "taken", `genomen om ${sinceText(card.taken_at)} door ${card.taken_by}`));
  else if (card.zone) box.append(takenButton(card));
  return box;
}

function takenButton(card) {
  const button = make("button", "", "Maatregel genomen");
  button.type = "button";
  button.dataset.measure = `${card.plan}/${card.measure}`;
  button.setAttribute("aria-label", `Maatregel genomen: ${card.title}`);
  button.addEventListener("click", async () => {
    const told = { type: "measure_taken", place: card.zone, plan: card.plan, measure: card.measure };
    if (await order(told)) refreshDetail();
  });
  return button;
}

function drawWhy(told) {
  const input = told.inputs;
  const list = make("ul");
  const say = (text) => list.append(make("li", "", text));
  if (told.rule === null) say(`Regel ${told.alert.rule} staat niet meer in het stadsbestand.`);
  else say(`Regel ${told.alert.rule}: soort ${told.rule.kind}, na ${told.rule.raise_after} keer, eindigt na ${told.rule.clear_after} vensters; bereikt: ${input.dwell_reached}`);
  say(`Venster ${sinceText(input.window_start)}–${timeText(Date.parse(input.window_end))}, ${shareText(input.coverage)} gezien`);
  if (input.limit !== null) say(`Grens ${input.limit} ${input.unit}${input.low === null ? "" : `, nu ${input.low}–${input.high}`}`);
  for (const one of told.sensors) say(`Sensor ${one.key}: ${one.word}${one.since ? ` sinds ${sinceText(one.since)}` : ""}`);
  for (const one of told.transitions) {
    const flags = one.flags.map((flag) => FLAG_WORDS[flag]).join(", ");
    say(`${momentText(Date.parse(one.at), true)} ${one.state_word}, ${one.word}: ${one.cause_word}${one.actor ? ` door ${one.actor}` : ""}${flags ? ` (${flags})` : ""}`);
  }
  for (const one of told.notes ?? []) say(`Notitie ${sinceText(one.at)} ${one.role}: ${one.text}`);
  byId("detail-why").replaceChildren(list);
}

wireAlertOrders(() => shown, refreshDetail);
byId("detail-close").addEventListener("click", () => byId("detail").close());
byId("detail").addEventListener("close", () => {
  const button = lookButton(shownId ?? "");
  [shownId, shown] = [null, null];
  button?.focus();
});
