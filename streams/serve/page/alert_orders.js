// SPDX-License-Identifier: Apache-2.0
// The orders about one alert: their buttons, what each does, and which of them are grave.
import { byId, setText } from "./elements.js";
import { ask, isRole, order } from "./orders.js";
import { momentText, nowMs } from "./present.js";

const MINUTE_MS = 60000;

// So long from now, up to the next whole minute: what the button says is what is sent.
const untilMs = (minutes) => Math.ceil(nowMs() / MINUTE_MS + minutes) * MINUTE_MS;

export function drawQuietEnds() {
  for (const option of byId("quiet-until").options) {
    setText(option, `${momentText(untilMs(Number(option.value)))} (${option.dataset.span})`);
  }
}

// What a suppression may be for: its field of the command, and its words.
function quietOf(alert) {
  const kind = byId("quiet-what").value;
  const words = {
    alert: `deze melding bij ${alert.name}`, place: `alle meldingen bij ${alert.name}`,
    rule: `alle meldingen van regel ${alert.rule}, in de hele stad`,
  };
  return { field: { [kind]: { alert: alert.id, place: alert.place, rule: alert.rule }[kind] }, words: words[kind] };
}

function suppress(alert) {
  const ends = untilMs(Number(byId("quiet-until").value));
  const { field, words } = quietOf(alert);
  const until = momentText(ends);
  return order({ type: "suppress", ...field, until_us: ends * 1000 }, {
    done: `tot ${until} gaat er geen bericht uit over ${words}`,
    grave: {
      question: `Tot ${until} geen bericht over ${words}?`,
      meaning: "Ontvangers horen dan niets, ook als het drukker wordt. De meting en deze pagina gaan door.",
      yes: "Onderdrukken",
    },
  });
}

function unsuppress(alert) {
  const { field, words } = quietOf(alert);
  return order({ type: "unsuppress", ...field }, { done: `er gaan weer berichten uit over ${words}` });
}

function resolve(alert) {
  return order({ type: "resolve", alert: alert.id }, {
    done: "de melding is met de hand beëindigd",
    grave: {
      question: `De melding ${alert.word} bij ${alert.name} met de hand beëindigen?`,
      meaning: "Ontvangers horen dat zij voorbij is. Houdt de toestand aan, dan opent een nieuwe melding.",
      yes: "Beëindigen",
    },
  });
}

function note(alert) {
  if (!byId("note").value.trim()) return ask("Schrijf eerst een notitie.", byId("note"));
  return order({ type: "note", alert: alert.id });
}

function assign(alert) {
  const role = byId("to-role").value.trim();
  if (!isRole(role)) return ask("Aan welke rol, in kleine letters?", byId("to-role"));
  return order({ type: "assign", alert: alert.id, to_role: role });
}

const ORDERS = {
  acknowledge: (alert) => order({ type: "acknowledge", alert: alert.id }),
  unacknowledge: (alert) => order({ type: "unacknowledge", alert: alert.id }),
  note, assign, suppress, unsuppress, resolve,
};

// `shown` gives the alert that is shown in full, or null; `ordered` is told when an order was given.
export function wireAlertOrders(shown, ordered) {
  for (const button of document.querySelectorAll("[data-order]")) {
    button.addEventListener("click", async () => {
      const alert = shown();
      if (alert !== null && await ORDERS[button.dataset.order](alert)) ordered();
    });
  }
}
