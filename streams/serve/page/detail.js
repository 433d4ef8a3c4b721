// SPDX-License-Identifier: Apache-2.0
// One alert in full: its cards and why it is there, and an operator's orders about it. Uses page.js.
"use strict";

const FLAG_WORDS = {
  acknowledged: "bevestigd", escalated: "geëscaleerd", suppressed: "onderdrukt", stale: "geen gegevens", exercise: "oefening",
};
const ROLE_KEY = "drukte-role";
let token = ""; // as long as the page is open, and nowhere else
let ordering = false;

function headers() {
  const base = { "content-type": "application/json" };
  if (token) base.authorization = `Bearer ${token}`;
  return base;
}

async function openDetail(id) {
  detailId = id;
  byId("answer").textContent = "";
  byId("detail-facts").replaceChildren();
  byId("detail-cards").replaceChildren();
  byId("detail-why").replaceChildren();
  byId("detail-title").textContent = "Melding";
  if (!byId("role").value) byId("role").value = localStorage.getItem(ROLE_KEY) ?? "";
  if (!byId("detail").open) byId("detail").showModal();
  await refreshDetail();
  byId("detail-title").focus();
}

async function refreshDetail() {
  const id = detailId;
  let told = null;
  try {
    const answer = await fetch(`/api/alerts/${encodeURIComponent(id)}`, { headers: headers() });
    if (answer.ok) told = await answer.json();
  } catch {
    told = null;
  }
  if (id !== detailId) return; // another one was opened meanwhile
  if (told === null) {
    byId("answer").textContent = "Deze melding is nu niet op te halen.";
    return;
  }
  drawDetail(told);
}

function drawDetail(told) {
  const alert = told.alert;
  setText(byId("detail-title"), `${alert.name}, ${told.site_name}`);
  const what = make("p", "what");
  const chip = make("span", "chip", alert.open ? alert.word : "voorbij");
  chip.dataset.tone = !alert.open || alert.stale ? "none" : String(alert.tone);
  what.append(chip, alertFigure(alert));
  const facts = [`regel ${alert.rule}`, alert.severity_word, `sinds ${sinceText(alert.opened_at)}`, alert.state_word];
  if (alert.open) facts.push(`${alert.certainty}${alert.people ? ` (${alert.people.text} mensen)` : ""}`, told.next_level);
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
  else if (card.zone) {
    const button = make("button", "", "Maatregel genomen");
    button.type = "button";
    button.dataset.measure = `${card.plan}/${card.measure}`;
    button.setAttribute("aria-label", `Maatregel genomen: ${card.title}`);
    button.addEventListener("click", () => order(
      { type: "measure_taken", place: card.zone, plan: card.plan, measure: card.measure }));
    box.append(button);
  }
  return box;
}

function drawWhy(told) {
  const input = told.inputs;
  const list = make("ul");
  const say = (text) => list.append(make("li", "", text));
  if (told.rule === null) say(`Regel ${told.alert.rule} staat niet meer in het stadsbestand.`);
  else say(`Regel ${told.alert.rule}: soort ${told.rule.kind}, na ${told.rule.raise_after} keer, eindigt na ${told.rule.clear_after} vensters; bereikt: ${input.dwell_reached}`);
  say(`Venster ${timeText(Date.parse(input.window_start))}–${timeText(Date.parse(input.window_end))}, ${Math.floor(input.coverage * 100 + 1e-6)} % gezien`);
  if (input.limit !== null) say(`Grens ${input.limit} ${input.unit}${input.low === null ? "" : `, nu ${input.low}–${input.high}`}`);
  for (const one of told.sensors) say(`Sensor ${one.key}: ${one.word}${one.since ? ` sinds ${sinceText(one.since)}` : ""}`);
  for (const one of told.transitions) {
    const flags = one.flags.map((flag) => FLAG_WORDS[flag]).join(", ");
    say(`${timeText(Date.parse(one.at), true)} ${one.state_word}, ${one.word}: ${one.cause_word}${one.actor ? ` door ${one.actor}` : ""}${flags ? ` (${flags})` : ""}`);
  }
  for (const one of told.notes ?? []) say(`Notitie ${timeText(Date.parse(one.at))} ${one.role}: ${one.text}`);
  byId("detail-why").replaceChildren(list);
}

// ---- orders

function ask(text, field) {
  byId("answer").textContent = text;
  field.focus();
}

async function order(told) {
  const role = byId("role").value.trim();
  if (!/^[a-z][a-z0-9-]*$/.test(role)) return ask("Kies eerst uw rol, in kleine letters.", byId("role"));
  if (ordering) return undefined;
  localStorage.setItem(ROLE_KEY, role);
  token = byId("token").value;
  const body = { ...told, role };
  const text = byId("note").value.trim();
  if (text) body.note = text;
  ordering = true;
  byId("answer").textContent = "Bezig…";
  try {
    await answerOf(body);
  } finally {
    ordering = false;
  }
  return refreshDetail();
}

async function answerOf(body) {
  let answer;
  try {
    answer = await fetch("/api/commands", { method: "POST", headers: headers(), body: JSON.stringify(body) });
  } catch {
    byId("answer").textContent = "Geen verbinding; geef de opdracht opnieuw.";
    return;
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    byId("token-line").hidden = false;
    ask("Deze rol vraagt een toegangscode.", byId("token"));
  } else if (answer.status === 200) {
    byId("note").value = "";
    byId("answer").textContent = "Gedaan.";
  } else if (answer.status === 202) byId("answer").textContent = "Opgenomen; er is nog geen antwoord van de rekenmotor.";
  else if (answer.status === 409) byId("answer").textContent = `Niet gedaan: ${REASONS[told.detail] ?? told.detail}.`;
  else byId("answer").textContent = `Niet aangenomen (${answer.status}).`;
}

const REASONS = {
  "it is acknowledged already": "de melding is al bevestigd",
  "it is not acknowledged": "de melding is niet bevestigd",
  "the alert is resolved": "de melding is al voorbij",
  "no alert of this id is open here": "deze melding staat niet meer open",
  "the measure does not belong to this zone": "de maatregel hoort niet bij deze zone",
};

for (const button of document.querySelectorAll("[data-order]")) {
  button.addEventListener("click", () => {
    const told = { type: button.dataset.order, alert: detailId };
    if (told.type === "note" && !byId("note").value.trim()) return ask("Schrijf eerst een notitie.", byId("note"));
    if (told.type === "assign") {
      told.to_role = byId("to-role").value.trim();
      if (!/^[a-z][a-z0-9-]*$/.test(told.to_role)) return ask("Aan welke rol, in kleine letters?", byId("to-role"));
    }
    return order(told);
  });
}
byId("detail-close").addEventListener("click", () => byId("detail").close());
byId("detail").addEventListener("close", () => {
  const line = document.querySelector(`.alert[data-alert="${CSS.escape(detailId ?? "")}"] button`);
  detailId = null;
  line?.focus();
});
