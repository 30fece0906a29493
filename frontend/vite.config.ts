import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../src/deephealth/service/page',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy forbids inline script and data: addresses for code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npm run dev` beside `deephealth serve`.
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
  worker: { format: 'es' },
  // Components are rendered to text in Node; what needs a real browser is tested in one (tests/page).
  test: { setupFiles: './src/testing.ts' },
})
