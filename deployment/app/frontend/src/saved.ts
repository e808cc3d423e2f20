// Saved views: addresses of this page by name, kept on the server.
import { ask } from "./server";
import { element } from "./text";

interface View {
  id: string;
  name: string;
  page: string;
  address: string;
  at: string;
}

const LABELS: Record<string, string> = { explore: "Explore", forecast: "Forecast" };

/** Bring the list of saved views to life; `hidden` stays where the reader may keep none. */
export async function savedViews(place: HTMLElement | null): Promise<void> {
  if (!place) return;
  const known = await ask<{ views: View[]; token: string }>("/api/views").catch(() => null);
  if (!known) return;
  const page = place.dataset.saved!;
  const list = place.querySelector<HTMLElement>("ul")!;
  const form = place.querySelector<HTMLFormElement>("form")!;
  const said = place.querySelector<HTMLElement>('[role="status"]')!;
  const name = form.elements.namedItem("view-name") as HTMLInputElement;

  const send = async (method: string, path: string, body: Record<string, string> | undefined, done: string): Promise<boolean> => {
    try {
      show((await ask<{ views: View[] }>(`/api/views${path}`, { method, body, headers: { "x-form-token": known.token } })).views);
    } catch (error) {
      said.textContent = (error as Error).message;
      return false;
    }
    said.textContent = done;
    return true;
  };

  const show = (views: View[]): void => {
    const own = [...views].sort((a, b) => Number(b.page === page) - Number(a.page === page));
    list.replaceChildren(...(own.length ? own.map(line) : [element("li", { class: "remark" }, "None yet.")]));
  };

  const line = (view: View): HTMLElement => {
    const label = view.page === page ? view.at : `${LABELS[view.page]}, ${view.at}`;
    const rename = element("button", { type: "button", class: "link", "aria-label": `Rename ${view.name}` }, "Rename");
    const remove = element("button", { type: "button", class: "link", "aria-label": `Delete ${view.name}` }, "Delete");
    const item = element("li", {}, element("a", { href: view.address }, view.name), element("span", { class: "remark" }, label), rename, remove);
    remove.addEventListener("click", () => void send("DELETE", `/${view.id}`, undefined, `Deleted ${view.name}.`));
    rename.addEventListener("click", () => {
      const field = element("input", { value: view.name, maxlength: "80", "aria-label": "New name", size: "16" });
      const change = element("form", {}, field, element("button", { class: "quiet" }, "Keep"));
      change.addEventListener("submit", (event) => {
        event.preventDefault();
        void send("POST", `/${view.id}`, { name: field.value }, `Renamed to ${field.value}.`);
      });
      item.replaceChildren(change);
      field.focus();
    });
    return item;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send("POST", "", { name: name.value, page, query: location.search.slice(1) }, `Saved as ${name.value}.`).then((done) => {
      if (done) name.value = "";
    });
  });
  show(known.views);
  place.hidden = false;
}
