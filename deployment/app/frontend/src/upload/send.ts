// Send one file, with how far it is and a way to stop.
import { thousands } from "../text";

export function start(root: HTMLElement): void {
  const part = <T extends HTMLElement>(name: string) => root.querySelector<T>(`[data-part="${name}"]`)!;
  const drop = part("drop");
  const input = root.querySelector<HTMLInputElement>("#file")!;
  const bar = part("sending").querySelector("progress")!;
  let sending: XMLHttpRequest | null = null;

  function show(problem: string): void {
    part("problem").textContent = problem;
    part("problem").hidden = !problem;
    part("sending").hidden = true;
    drop.hidden = false;
    input.value = "";
    sending = null;
  }

  function send(file: File): void {
    if (sending) return;
    part("problem").hidden = true;
    part("sending").hidden = false;
    drop.hidden = true;
    part("stop").focus();
    const request = new XMLHttpRequest();
    sending = request;
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name.slice(0, 200) || "file")}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      const sent = `${thousands(event.loaded / 1024)} of ${thousands(event.total / 1024)} kB`;
      part("sending-words").textContent = event.loaded < event.total ? `Sending ${file.name}: ${sent}` : "Looking at what it is …";
    });
    request.addEventListener("load", () => {
      const told = request.response as { upload_id?: string; detail?: string } | null;
      if (request.status === 201 && told?.upload_id) location.assign(`/upload?file=${told.upload_id}`);
      else show(told?.detail ?? `The server answered ${request.status}.`);
    });
    request.addEventListener("error", () => show("The file could not be sent: it may be too large, or the server is away."));
    request.addEventListener("abort", () => show("Stopped; nothing was kept."));
    request.send(file);
  }

  input.addEventListener("change", () => input.files?.[0] && send(input.files[0]));
  part("stop").addEventListener("click", () => sending?.abort());
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.dataset.over = "yes";
    });
  }
  drop.addEventListener("dragleave", () => delete drop.dataset.over);
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    delete drop.dataset.over;
    const file = event.dataTransfer?.files[0];
    if (file) send(file);
  });
}
