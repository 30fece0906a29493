import { defineConfig, mergeConfig } from 'vite'
import page from '../vite.config.ts'

// The same build, of another entry: `vite build --config harness/vite.config.ts --outDir SOMEWHERE`.
export default mergeConfig(page, defineConfig({ root: 'harness', publicDir: false }))
