// The table of jobs asks for itself again while something is at work; without scripts its forms do the same by loading.
import "./site";

const SOON = 1500;
const LATER = 10_000;
const block = document.querySelector<HTMLElement>("#jobs");
const live = document.querySelector<HTMLElement>("#live");
let states = seen();
let timer = 0;
// Why the last press did nothing: stays while the table is asked for anew, until the next press.
let problem = "";

function seen(): Map<string, string> {
  const rows = block?.querySelectorAll<HTMLElement>("[data-job]") ?? [];
  return new Map([...rows].map((row) => [row.dataset.job ?? "", row.dataset.state ?? ""]));
}

function atWork(): boolean {
  return (block?.querySelector<HTMLElement>("[data-jobs]")?.dataset.atWork ?? "0") !== "0";
}

function plan(): void {
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void look(), atWork() ? SOON : LATER);
}

async function look(): Promise<void> {
  try {
    const answer = await fetch("/status/jobs");
    if (answer.ok && !document.hidden) put(await answer.text());
  } catch {
    // The server may be starting again: the jobs go on, and so does this.
  }
  plan();
}

function put(text: string): void {
  if (!block) return;
  const open = [...block.querySelectorAll<HTMLElement>("details[open][data-key]")].map((one) => one.dataset.key);
  const focused = (document.activeElement as HTMLElement | null)?.dataset.key;
  const left = block.querySelector(".scroll")?.scrollLeft ?? 0;
  block.innerHTML = text;
  for (const key of open) block.querySelector(`details[data-key="${key}"]`)?.setAttribute("open", "");
  block.querySelector(".scroll")?.scrollTo({ left });
  tellProblem();
  if (focused) block.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  tell();
}

function tellProblem(): void {
  const place = block?.querySelector<HTMLElement>("[data-job-problem]");
  if (!place || !problem) return;
  place.textContent = problem;
  place.hidden = false;
}

function tell(): void {
  const now = seen();
  const said: string[] = [];
  for (const [job, state] of now) {
    const row = block?.querySelector(`[data-job="${job}"] th`);
    if (states.get(job) !== state) said.push(`${row?.textContent ?? "A job"}: ${state}.`);
  }
  states = now;
  if (live && said.length) live.textContent = said.join(" ");
}

block?.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  event.preventDefault();
  // A button that is disabled would lose the focus; one that waits is pressed once all the same.
  if (form.dataset.sent) return;
  form.dataset.sent = "yes";
  void send(form);
});

async function send(form: HTMLFormElement): Promise<void> {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) fields.set(name, String(value));
  const answer = await fetch(form.action, { method: "POST", body: fields }).catch(() => null);
  problem = answer === null ? "The server does not answer." : answer.ok ? "" : await answer.text();
  await look();
  // Where no new table came, the old one says why, and its button can be pressed again.
  tellProblem();
  delete form.dataset.sent;
}

plan();
