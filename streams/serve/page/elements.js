// SPDX-License-Identifier: Apache-2.0
// Elements of the page: found, made, and changed only where they differ.

export const byId = (id) => document.getElementById(id);

export function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The line of a name in a tile or heading; made at its first use.
export function lineOf(parent, name) {
  let line = parent.querySelector(`.${name}`);
  if (line === null) {
    line = make("span", name);
    parent.append(line);
  }
  return line;
}

const ARROWS = { "-1": ["↓", "neemt af"], "0": ["→", "gelijk"], "1": ["↑", "neemt toe"] };

// A figure and how it moves: an arrow for the eye, a word for the ear. `trend` is -1, 0, 1 or null.
export function figureParts(figure, trend) {
  const [arrow, meaning] = trend === null ? ["", ""] : ARROWS[trend];
  const sign = make("span", "trend", arrow ? ` ${arrow}` : "");
  sign.setAttribute("aria-hidden", "true");
  return [figure, sign, make("span", "hidden", meaning ? `, ${meaning}` : "")];
}
