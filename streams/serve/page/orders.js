// SPDX-License-Identifier: Apache-2.0
// An operator's order: by which role, with which token and note; grave ones only after a second yes.
import { byId } from "./elements.js";
import { NO_LINE, outcomeText } from "./order_words.js";

const ROLE_KEY = "drukte-role";
const ROLE = /^[a-z][a-z0-9-]*$/;
let token = ""; // as long as the page is open, and nowhere else
let ordering = false;

export function headers() {
  const base = { "content-type": "application/json" };
  if (token) base.authorization = `Bearer ${token}`;
  return base;
}

export const isRole = (text) => ROLE.test(text);

// Role, token, note and answer stand once on the page: they go to the fieldset where orders are given now.
export function signIn(fieldset) {
  fieldset.querySelector("legend").after(byId("who"));
  fieldset.append(byId("answer"));
  byId("note").value = "";
  say("");
  if (!byId("role").value) byId("role").value = localStorage.getItem(ROLE_KEY) ?? "";
}

export function say(text) {
  byId("answer").textContent = text;
}

export function ask(text, field) {
  say(text);
  field.focus();
}

// What is asked before a grave order: `question`, `meaning`, and the word on the button that gives it.
function confirmed({ question, meaning, yes }) {
  const dialog = byId("confirm");
  byId("confirm-question").textContent = question;
  byId("confirm-meaning").textContent = meaning;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

// Give an order; whether it reached the server. `done` says in words what it did, `grave` what has to be confirmed.
export async function order(told, { done = "", grave = null } = {}) {
  const role = byId("role").value.trim();
  if (!isRole(role)) {
    ask("Kies eerst uw rol, in kleine letters.", byId("role"));
    return false;
  }
  if (ordering) return false;
  ordering = true;
  try {
    if (grave !== null && !(await confirmed(grave))) {
      say("Niet gedaan: niet bevestigd.");
      return false;
    }
    localStorage.setItem(ROLE_KEY, role);
    token = byId("token").value;
    say("Bezig…");
    const note = byId("note").value.trim();
    return await give(note ? { ...told, role, note } : { ...told, role }, done);
  } finally {
    ordering = false;
  }
}

async function give(body, done) {
  let answer;
  try {
    answer = await fetch("/api/commands", { method: "POST", headers: headers(), body: JSON.stringify(body) });
  } catch {
    say(NO_LINE);
    return false;
  }
  const told = await answer.json().catch(() => ({}));
  say(outcomeText(answer.status, told.detail, done));
  if (answer.status === 200) byId("note").value = "";
  if (answer.status === 401) {
    byId("token-line").hidden = false;
    byId("token").focus();
  }
  return true;
}

byId("confirm-yes").addEventListener("click", () => byId("confirm").close("yes"));
byId("confirm-no").addEventListener("click", () => byId("confirm").close());
