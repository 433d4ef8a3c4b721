// SPDX-License-Identifier: Apache-2.0
// The line to the server: events come in, and whether it is alive.

const SILENCE_MS = 20000; // the server speaks every 5 s; longer than this the line is dead
const RETRY_MS = 3000;

export let connected = false;
let source = null;
let heardMs = performance.now();
let lookedMs = Date.now(); // the last time that anything ran here
let told = () => {}; // of a document, and whether it is all that stands
let lost = () => {};

function take(event) {
  heardMs = performance.now();
  connected = true;
  told(JSON.parse(event.data), event.type === "state");
}

function connect() {
  if (source !== null) source.close();
  heardMs = performance.now();
  source = new EventSource("/events");
  for (const kind of ["state", "change", "clock"]) source.addEventListener(kind, take);
  source.onerror = () => {
    connected = false;
    lost();
    // The browser retries by itself unless the server refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
}

export function follow(onTold, onLost) {
  [told, lost] = [onTold, onLost];
  connect();
}

// A line that says nothing is dead, whatever the browser thinks of it. So it is where the machine slept: a clock that
// nobody sets back may stand still meanwhile, and what stands on the page would look as fresh as before.
export function checkSilence() {
  const slept = Date.now() - lookedMs > SILENCE_MS;
  lookedMs = Date.now();
  if (!slept && performance.now() - heardMs <= SILENCE_MS) return;
  connected = false;
  connect();
}
