import { dictionary } from './index.svelte'

/** Sentences of the components that several pages share. */
export const shared = dictionary({
  messages: ['Messages', 'Mensajes'],
  undo: ['Undo', 'Deshacer'],
  dismiss: ['Close this message', 'Cerrar este mensaje'],
  working: ['Working…', 'Trabajando…'],
  undefined: ['not defined', 'sin definir'],
  no_interval: ['no interval', 'sin intervalo'],
  n_films: ['n = {films}', 'n = {films}'],
  n_patients: ['{patients} patients', '{patients} pacientes'],
  n_patient: ['1 patient', '1 paciente'],
  estimate_meaning: [
    'Measured on {films} films; the true value lies between the two numbers in brackets 95 times in 100.',
    'Medido en {films} radiografías; el valor verdadero está entre los dos números entre corchetes 95 veces de cada 100.',
  ],
  as_table: ['As a table', 'Como tabla'],
  chart_of: ['{label}. {series}', '{label}. {series}'],
  chart_series: ['{name}: {last} at the end', '{name}: {last} al final'],
  chart_empty: ['No values yet', 'Todavía no hay valores'],
  confusion: ['Label of the film (rows) and answer of the model (columns)', 'Etiqueta de la radiografía (filas) y respuesta del modelo (columnas)'],
  confusion_corner: ['Film ↓ Answer →', 'Radiografía ↓ Respuesta →'],
  confusion_total: ['Films', 'Radiografías'],
  confusion_cell: [
    '{count}, {share} of the row: films of {row} answered as {column}',
    '{count}, {share} de la fila: radiografías de {row} con respuesta {column}',
  ],
  confusion_legend: ['Framed: right answers. Darker: a larger share of the row.', 'Con marco: aciertos. Más intenso: mayor parte de la fila.'],
  lamp_good: ['no concern', 'sin reparos'],
  lamp_warning: ['some concern', 'algún reparo'],
  lamp_bad: ['serious concern', 'reparo grave'],
  lamp_unknown: ['not examined', 'sin examinar'],
  drop_or: ['or', 'o'],
  drop_files: ['Choose files', 'Elegir archivos'],
  drop_folder: ['Choose a folder', 'Elegir una carpeta'],
  drop_paste: ['You can also paste with Ctrl+V.', 'También puede pegar con Ctrl+V.'],
  drop_here: ['Let go to add', 'Suelte para añadir'],
})

/** What a failure is called when the service itself could not say it. */
export const problems = dictionary({
  offline: ['The service does not answer; check that it is running and try again.', 'El servicio no responde; compruebe que está en marcha e inténtelo otra vez.'],
  'http-401': ['You are signed out; sign in and try again.', 'Su sesión ha terminado; inicie sesión e inténtelo otra vez.'],
  'http-403': ['Your account may not do this; ask an administrator.', 'Su cuenta no puede hacer esto; pida ayuda a un administrador.'],
  'http-404': ['This is not here, or no longer; go back to the list.', 'Esto no existe, o ya no; vuelva a la lista.'],
  'http-413': ['The file is larger than the service allows.', 'El archivo es mayor de lo que admite el servicio.'],
  'http-429': ['Too many requests at once; wait a moment and try again.', 'Demasiadas peticiones a la vez; espere un momento e inténtelo otra vez.'],
  'http-503': ['The service is busy; wait a moment and try again.', 'El servicio está ocupado; espere un momento e inténtelo otra vez.'],
  other: ['The service answered with an error ({status}); try again.', 'El servicio respondió con un error ({status}); inténtelo otra vez.'],
  page: ['The page could not do this ({detail}).', 'La página no ha podido hacerlo ({detail}).'],
})
