// SPDX-License-Identifier: Apache-2.0
// An exercise at a site or of a rule: begun after a second yes, and ended.
import { byId } from "./elements.js";
import { order, signIn } from "./orders.js";

// The chosen site or rule: its field of the command, and its words.
function chosen() {
  const option = byId("drill-what").selectedOptions[0];
  return { field: { [option.dataset.kind]: option.value }, words: option.dataset.words };
}

function begin() {
  const { field, words } = chosen();
  return order({ type: "drill", on: true, ...field }, {
    done: `de oefening ${words} is begonnen; wat daar nu opengaat heet oefening`,
    grave: {
      question: `Een oefening ${words} beginnen?`,
      meaning: "Elke melding die daar opengaat heet oefening, ook als het echt druk is. Zij eindigt vanzelf na 4 uur.",
      yes: "Beginnen",
    },
  });
}

function end() {
  const { field, words } = chosen();
  return order({ type: "drill", on: false, ...field }, {
    done: `de oefening ${words} is voorbij; haar meldingen zijn beëindigd en wat echt is opent opnieuw`,
  });
}

byId("drill-begin").addEventListener("click", begin);
byId("drill-end").addEventListener("click", end);
byId("drill-open").addEventListener("click", () => {
  signIn(byId("drill-orders"));
  byId("drill").showModal();
});
byId("drill-close").addEventListener("click", () => byId("drill").close());
