import { dictionary } from './index.svelte'

/** Codes of CannotDecode (lib/decode.ts), as decode_CODE, and of CannotRun (lib/infer.ts), as run_CODE, said to the reader; and the switch. */
export const local = dictionary({
  switch: ['In this browser only', 'Solo en este navegador'],
  switch_help: [
    'The model runs in this page: the film does not leave this device. The first time, {size} are fetched from this service.',
    'El modelo funciona en esta página: la radiografía no sale de este dispositivo. La primera vez se descargan {size} de este servicio.',
  ],
  getting: ['Fetching the model… {percent}', 'Descargando el modelo… {percent}'],
  ready: ['Ready; it works without a network too.', 'Listo; también funciona sin conexión.'],
  on: ['Answered on this device.', 'Respondido en este dispositivo.'],
  ask_to_send: ['Send it to the service instead?', '¿Enviarla al servicio?'],
  send: ['Send this film', 'Enviar esta radiografía'],
  keep_here: ['Do not send', 'No enviar'],
  forget: ['Remove the model from this device', 'Quitar el modelo de este dispositivo'],

  decode_archive: ['This is a zip archive, which the page does not unpack.', 'Es un archivo zip, que la página no descomprime.'],
  decode_format: ['This is a TIFF or BMP picture, which the page does not read.', 'Es una imagen TIFF o BMP, que la página no lee.'],
  'decode_transfer-syntax': [
    'Its pixels are compressed in a way the page does not read (it reads uncompressed DICOM and 8-bit JPEG).',
    'Sus píxeles están comprimidos de una forma que la página no lee (lee DICOM sin comprimir y JPEG de 8 bits).',
  ],
  decode_colour: ['It is in a kind of colour that the page does not read.', 'Está en un tipo de color que la página no lee.'],
  decode_frames: ['It has several frames, expected one film; save each as a file of its own.', 'Tiene varias imágenes, se esperaba una sola; guarde cada una en un archivo.'],
  decode_noise: [
    'This browser alters the pixels it gives back (protection against tracking), so an answer would not be of this film.',
    'Este navegador altera los píxeles que devuelve (protección contra el rastreo): la respuesta no sería de esta radiografía.',
  ],
  'decode_not-a-film': ['This is no JPEG, PNG or DICOM film; convert or export it as one of these.', 'No es una radiografía JPEG, PNG ni DICOM; conviértala o expórtela en uno de esos formatos.'],
  'decode_no-pixels': ['This DICOM file holds no film; export the image itself.', 'Este archivo DICOM no contiene ninguna radiografía; exporte la propia imagen.'],
  'decode_too-large': ['It is larger than the page can take (64 megapixels, 256 MB); shrink it.', 'Es mayor de lo que admite la página (64 megapíxeles, 256 MB); redúzcala.'],
  decode_damaged: ['It is damaged or cut short; copy or export it again.', 'Está dañada o incompleta; cópiela o expórtela de nuevo.'],

  run_offline: ['The model is not on this device yet, and the service does not answer.', 'El modelo aún no está en este dispositivo y el servicio no responde.'],
  run_fetch: ['The service did not give out the model; choose another or try again later.', 'El servicio no entregó el modelo; elija otro o inténtelo más tarde.'],
  run_altered: ['The model that arrived is not the one asked for (its check sum differs); try again.', 'El modelo recibido no es el solicitado (su suma de comprobación no coincide); inténtelo de nuevo.'],
  'run_not-a-model': ['This is no Deep Health model file; give a model.onnx.', 'No es un modelo de Deep Health; use un archivo model.onnx.'],
  run_newer: ['The model is of a newer version than this page; reload the page.', 'El modelo es de una versión más nueva que esta página; vuelva a cargarla.'],
  run_channels: ['This model reads colour, which only the service does.', 'Este modelo lee en color, cosa que solo hace el servicio.'],
  run_failed: [
    'The model could not be run in this browser, for lack of memory perhaps; turn the switch off to ask the service.',
    'El modelo no pudo funcionar en este navegador, quizá por falta de memoria; desactive la opción para consultar al servicio.',
  ],
})

export type LocalKey = Parameters<typeof local>[0]
