import { defineConfig } from "vite";

// One entry per kind of page, beside the templates; the server reads manifest.json for the hashed names.
export default defineConfig({
  base: "/static/bundle/",
  build: {
    outDir: "../static/bundle",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
    rollupOptions: { input: { main: "src/main.ts", site: "src/site.ts", jobs: "src/jobs.ts", upload: "src/upload/main.ts", explore: "src/explore/main.ts" } },
  },
});
