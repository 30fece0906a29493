/** What a film's tags say against it or of it, in Spanish: the pieces of src/deephealth/evaluation/texts/film_reasons.py. */

const PIECES: readonly (readonly [RegExp, string])[] = [
  [/^its modality is (.+), expected a radiograph \(CR, DX or RG\)$/, 'su modalidad es $1 y se esperaba una radiografía (CR, DX o RG)'],
  [/^its SOP class is (.+), expected a radiograph$/, 'su clase SOP es $1 y se esperaba una radiografía'],
  [/^its pixels are FOR PROCESSING, expected a film FOR PRESENTATION$/, 'sus píxeles son FOR PROCESSING y se esperaba una imagen FOR PRESENTATION'],
  [/^its view is lateral, expected PA or AP$/, 'su proyección es lateral y se esperaba PA o AP'],
  [/^its view is oblique, expected PA or AP$/, 'su proyección es oblicua y se esperaba PA o AP'],
  [/^its body part is (.+), expected CHEST$/, 'su región anatómica es $1 y se esperaba CHEST'],
  [/^modality is (SC|OT), which does not say that this is a radiograph$/, 'su modalidad es $1, que no dice que sea una radiografía'],
  [/^does not say its modality$/, 'no dice su modalidad'],
  [
    /^is a Secondary Capture although its modality is (.+): it may have been converted from a picture$/,
    'es una Secondary Capture aunque su modalidad es $1: puede haberse convertido a partir de una imagen',
  ],
  [/^does not say its view position$/, 'no dice su proyección'],
  [/^has view position (.+), expected PA or AP$/, 'tiene la proyección $1 y se esperaba PA o AP'],
  [/^has text burned into its pixels$/, 'tiene texto grabado en los píxeles'],
  [/^does not say whether text is burned into its pixels$/, 'no dice si hay texto grabado en los píxeles'],
  [
    /^has a pixel spacing of zero or none that can be read; its scale is unknown$/,
    'tiene una distancia entre píxeles nula o ilegible: su escala es desconocida',
  ],
  [
    /^says MONOCHROME1 and PresentationLUTShape IDENTITY, which contradict each other; shown as MONOCHROME1$/,
    'dice MONOCHROME1 y PresentationLUTShape IDENTITY, que se contradicen; se muestra como MONOCHROME1',
  ],
  [
    /^has a window of width (\S+), which cannot be used; the full range of values is shown$/,
    'tiene una ventana de anchura $1, que no se puede usar; se muestra todo el rango de valores',
  ],
]

/** A piece in Spanish where it is known, else as it is; numbers, but not identifiers with more dots, take the decimal comma. */
export function inSpanish(piece: string): string {
  const [pattern, spanish] = PIECES.find(([known]) => known.test(piece)) ?? []
  const said = pattern && spanish ? piece.replace(pattern, spanish) : piece
  return said.replace(/(?<![\d.])(\d+)\.(\d+)(?![\d.])/g, '$1,$2')
}
