import { dictionary } from './index.svelte'

export const frame = dictionary({
  read: ['Read', 'Leer'],
  teach: ['Teach', 'Enseñar'],
  models: ['Models', 'Modelos'],
  help: ['Help', 'Ayuda'],
  pages: ['Pages', 'Páginas'],
  skip: ['Skip to the content', 'Ir al contenido'],
  limits: ['For research and education. Not a medical device.', 'Para investigación y docencia. No es un producto sanitario.'],
  language: ['Language', 'Idioma'],
  theme: ['Light or dark', 'Claro u oscuro'],
  theme_auto: ['By page', 'Según la página'],
  theme_light: ['Light', 'Claro'],
  theme_dark: ['Dark', 'Oscuro'],
  offline: ['The service does not answer. Is it running? Trying again…', 'El servicio no responde. ¿Está en marcha? Reintentando…'],
})
