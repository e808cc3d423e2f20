// Light and dark: the system's choice, unless the reader has made one.

const system = matchMedia("(prefers-color-scheme: dark)");

let printing = false; // paper is light

export function isDark(): boolean {
  if (printing) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

export function watchTheme(changed: () => void): void {
  const button = document.querySelector<HTMLButtonElement>("#theme");
  const tell = () => {
    button?.setAttribute("aria-pressed", String(isDark()));
    changed();
  };
  button?.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", document.documentElement.dataset.theme);
    } catch {
      // Storage may be switched off; the choice lasts as long as the page.
    }
    tell();
  });
  system.addEventListener("change", tell);
  for (const [event, state] of [["beforeprint", true], ["afterprint", false]] as const) {
    addEventListener(event, () => {
      printing = state;
      changed();
    });
  }
  button?.setAttribute("aria-pressed", String(isDark()));
  if (button) button.hidden = false;
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.webdriver;
