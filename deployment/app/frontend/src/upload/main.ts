// Upload: a file is sent, looked at, mapped by a person, and made a city. The server does the reading; this shows it.
import "maplibre-gl/dist/maplibre-gl.css";
import "../fonts.css";
import "./upload.css";
import { watchTheme } from "../theme";
import { start as startReview } from "./review";
import { start as startSending } from "./send";

const root = document.querySelector<HTMLElement>("#upload")!;
const review = root.dataset.upload ? startReview(root, root.dataset.upload) : null;
if (!review) startSending(root);
watchTheme(() => review?.repaint());
document.documentElement.dataset.ready = "yes";
