import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

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
})
