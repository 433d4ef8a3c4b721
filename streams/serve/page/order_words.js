// SPDX-License-Identifier: Apache-2.0
// What became of an order, in words. The reasons are the fold's own, by its English text.

const REASONS = {
  "it is acknowledged already": "de melding is al bevestigd",
  "it is not acknowledged": "de melding is niet bevestigd",
  "the alert is resolved": "de melding is al voorbij",
  "no alert of this id is open here": "deze melding staat niet meer open",
  "it is not suppressed": "hier staat zo geen onderdrukking; kies waarvoor zij is gegeven",
  "its end has passed": "dat tijdstip is voorbij",
  "a suppression lasts at most 12 hours: say an earlier end, then give it again":
    "een onderdrukking duurt hoogstens 12 uur; kies een eerder einde en geef haar daarna opnieuw",
  "the exercise is on already": "de oefening is daar al bezig",
  "no such exercise is on": "daar is geen oefening bezig",
  "the measure does not belong to this zone": "de maatregel hoort niet bij deze zone",
  "the city file has no such plan, measure or zone": "plan, maatregel of zone staat niet meer in het stadsbestand",
  "the city file has no such rule": "de regel staat niet meer in het stadsbestand",
  "the city file has no such site or rule": "locatie of regel staat niet meer in het stadsbestand",
  "there is no such zone, gate or road here": "de plek staat niet meer in het stadsbestand",
  "the engine has just begun anew and reads what is open; give it again":
    "de rekenmotor is net herstart; geef de opdracht zo opnieuw",
};

const REFUSALS = {
  401: "Deze rol vraagt een toegangscode.",
  403: "Niet aangenomen: hier mag geen enkele rol opdrachten geven.",
  404: "Niet aangenomen: deze melding is hier niet bekend.",
  422: "Niet aangenomen: het stadsbestand is veranderd; laad de pagina opnieuw.",
  503: "Niet aangenomen: de gegevensstroom is nu niet te bereiken. Geef de opdracht zo opnieuw.",
};

export const NO_LINE = "Geen verbinding: onbekend of de opdracht is aangekomen. Kijk eerst of zij al gedaan is.";

// `done` says what was done, where it was.
export function outcomeText(status, detail, done) {
  if (status === 200) return `Gedaan${done ? `: ${done}` : ""}.`;
  if (status === 202) return "Opgenomen; er is nog geen antwoord van de rekenmotor.";
  if (status === 409) return `Niet gedaan: ${REASONS[detail] ?? detail}.`;
  return REFUSALS[status] ?? `Niet aangenomen (${status}).`;
}
