import { defineConfig } from "vite";

// One bundle beside the templates; the server reads manifest.json for the hashed names.
export default defineConfig({
  base: "/static/bundle/",
  build: {
    outDir: "../static/bundle",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
    rollupOptions: { input: "src/main.ts" },
  },
});
