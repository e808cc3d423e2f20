// What every page needs; pages with a map or charts load it as a part of their own entry.
import "./fonts.css";
import { watchTheme } from "./theme";

watchTheme(() => undefined);
document.documentElement.dataset.ready = "yes";
