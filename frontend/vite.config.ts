import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { packed } from './packed.ts'
import { serviceWorker } from './service_worker.ts'

/** The first picture is the page itself in its own theme, not a white sheet: the browser waits for the script, as it does for the styles. */
const paintWhenReady = {
  name: 'paint-when-ready',
  transformIndexHtml: { order: 'post' as const, handler: (html: string) => html.replace('<script type="module"', '<script type="module" blocking="render"') },
}

export default defineConfig({
  plugins: [svelte(), paintWhenReady, serviceWorker(), packed()],
  build: {
    outDir: '../src/deephealth/service/page',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy forbids inline script and data: addresses for code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // How long each plugin took on a busy machine is no news to who runs `make run`.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  // `npm run dev` beside `deephealth serve`.
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
  worker: { format: 'es' },
  // Components are rendered to text in Node; what needs a real browser is tested in one (tests/page).
  test: { setupFiles: './src/testing.ts' },
})
