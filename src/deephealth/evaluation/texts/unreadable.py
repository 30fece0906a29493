"""Why a film cannot be read: the sentences of `images` in Spanish.

They begin with the film's name, which stays as it is, whatever it holds. What is not known here is shown in English.
"""

from __future__ import annotations

import functools
import re

_KINDS = "JPEG, PNG, TIFF, BMP o DICOM"
_EXPORT = "vuelva a exportar la radiografía"
_COPY = "vuelva a copiarla o exportarla"
_NUMBER = r"(-?[\d,.]+)"

# What stands behind the name; (.+) are gaps. Masculine: what stands before them is a file.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        r"is (.+), expected a JPEG, PNG, TIFF, BMP or DICOM film; convert or export it as one of these\.",
        rf"es {{what}}; se esperaba una radiografía en {_KINDS}: conviértala o expórtela a uno de estos formatos.",
    ),
    (
        r"is empty, expected a JPEG, PNG, TIFF, BMP or DICOM film; copy or export it again\.",
        rf"está vacío; se esperaba una radiografía en {_KINDS}: {_COPY}.",
    ),
    (
        r"cannot be decoded: its (.+) is damaged or cut short; export the film again\.",
        rf"no se puede leer: sus datos están dañados o incompletos; {_EXPORT}.",
    ),
    (r"is cut short or damaged: its (.+) has no (?:frame )?header; (.+)\.", rf"está incompleto o dañado: le falta la cabecera; {_COPY}."),
    (r"is cut short or damaged: its (.+) have no header; (.+)\.", rf"está incompleto o dañado: le falta la cabecera; {_COPY}."),
    (r"is cut short: its compressed pixels have no end marker; (.+)\.", rf"está incompleto: sus píxeles no llegan al final; {_COPY}."),
    (r"is cut short, expected a whole deflated DICOM file; (.+)\.", rf"está incompleto; se esperaba un archivo DICOM entero: {_COPY}."),
    (
        r"is a (\d+)-bit JPEG, expected 8 bits a sample; export it as PNG or DICOM\.",
        r"es un JPEG de {0} bits; se esperaban 8 bits por muestra: expórtelo como PNG o DICOM.",
    ),
    (
        r"is a (\w+) of several pages or frames, expected one film; save each page as a file of its own\.",
        r"es un {0} de varias páginas; se esperaba una sola radiografía: guarde cada página en un archivo.",
    ),
    (
        r"has floating-point, signed, 32-bit or Lab samples, expected 8 or 16 unsigned bits; export it as 16-bit PNG or DICOM\.",
        r"tiene muestras con decimales, con signo, de 32 bits o Lab; se esperaban 8 o 16 bits sin signo: expórtelo como PNG o DICOM.",
    ),
    (
        r"has 16-bit colour of an unusual kind, expected RGB; export it with 8 bits a sample\.",
        r"tiene color de 16 bits de un tipo poco común; se esperaba RGB: expórtelo con 8 bits por muestra.",
    ),
    (
        rf"says it has {_NUMBER} x {_NUMBER} pixels, expected at least one; export the film again\.",
        rf"dice tener {{0}} x {{1}} píxeles; se esperaba al menos uno: {_EXPORT}.",
    ),
    (
        rf"announces {_NUMBER} x {_NUMBER} pixels, expected at most {_NUMBER} a side; export the film again\.",
        rf"anuncia {{0}} x {{1}} píxeles; se esperaban como mucho {{2}} por lado: {_EXPORT}.",
    ),
    (
        rf"announces {_NUMBER} x {_NUMBER} pixels, over the limit of {_NUMBER}; shrink it, or raise \w+ if it is a film\.",
        r"anuncia {0} x {1} píxeles y supera el límite de {2}; redúzcalo o, si es una radiografía, aumente DEEPHEALTH_MAX_PIXELS.",
    ),
    (
        rf"is larger than the limit of {_NUMBER} MB for one film; shrink it, or raise DEEPHEALTH_MAX_FILE_MB\.",
        r"supera el límite de {0} MB por radiografía; redúzcalo o aumente DEEPHEALTH_MAX_FILE_MB.",
    ),
    (
        r"unpacks to more than the limit for one film; shrink it, or raise DEEPHEALTH_MAX_FILE_MB\.",
        r"ocupa, descomprimido, más que el límite por radiografía; redúzcalo o aumente DEEPHEALTH_MAX_FILE_MB.",
    ),
    (
        rf"holds more than {_NUMBER} films, the limit for one archive; split it\.",
        r"contiene más de {0} radiografías, el límite por archivo comprimido; divídalo.",
    ),
    (
        rf"unpacks to more than the limit of {_NUMBER} MB for an archive; split it, or raise DEEPHEALTH_MAX_ARCHIVE_MB\.",
        r"ocupa, descomprimido, más de {0} MB, el límite por archivo zip; divídalo o aumente DEEPHEALTH_MAX_ARCHIVE_MB.",
    ),
    (
        rf"holds more than the limit of {_NUMBER} members; split it, or raise DEEPHEALTH_MAX_ARCHIVE_MEMBERS\.",
        r"contiene más de {0} archivos, el límite; divídalo o aumente DEEPHEALTH_MAX_ARCHIVE_MEMBERS.",
    ),
    (
        r"needs more memory than (?:.+); shrink it(?:.*)\.",
        r"necesita más memoria de la que puede usar una radiografía; redúzcala o expórtela con menos píxeles.",
    ),
    (
        rf"took more than {_NUMBER} s, the limit for one film; shrink it or export it again\.",
        r"tardó más de {0} s, el límite por radiografía; redúzcala o vuelva a exportarla.",
    ),
    (
        r"could not be read(?:.*); it may be damaged, export it again\.",
        rf"no se pudo leer; puede estar dañado: {_EXPORT}.",
    ),
    (
        r"is a zip archive without films, expected at least one; check its contents\.",
        r"es un archivo zip sin radiografías; se esperaba al menos una: revise su contenido.",
    ),
    (
        r"is a zip archive inside a zip archive, expected a film; unpack the outer one first\.",
        r"es un archivo zip dentro de otro; se esperaba una radiografía: descomprima antes el exterior.",
    ),
    (
        r"is protected by a password, expected a film that can be read; unpack it with its password first\.",
        r"está protegido con contraseña; se esperaba una radiografía legible: descomprímalo antes con su contraseña.",
    ),
    (
        r"cannot be unpacked: the archive is damaged or uses a rare compression; make the archive again\.",
        r"no se puede descomprimir: el archivo zip está dañado o usa una compresión poco común; vuelva a crearlo.",
    ),
    (
        r"is a broken zip archive, expected one that opens; make or download it again\.",
        r"es un archivo zip dañado; se esperaba uno que se pueda abrir: vuelva a crearlo o descargarlo.",
    ),
    (
        r"is a DICOMDIR, a list of files, expected a film; give the folder instead\.",
        r"es un DICOMDIR, una lista de archivos; se esperaba una radiografía: elija la carpeta.",
    ),
    (
        r"is a DICOM file without pixels that can be read, expected a film; it may be cut short or a report: export it again\.",
        rf"es un archivo DICOM sin píxeles legibles; puede estar incompleto o ser un informe: {_EXPORT}.",
    ),
    (
        rf"has {_NUMBER} frames, expected one film; save each frame as a file of its own\.",
        r"tiene {0} imágenes; se esperaba una sola radiografía: guarde cada imagen en un archivo.",
    ),
    (
        rf"has {_NUMBER} samples of {_NUMBER} in {_NUMBER} bits a pixel, expected 1 or 3 of 8 or 16; export it as a radiograph\.",
        r"tiene {0} muestras de {1} bits en {2} por píxel; se esperaban 1 o 3 de 8 o 16: expórtelo como radiografía.",
    ),
    (
        r"is compressed as (.+), for which there is no decoder; export it uncompressed\.",
        r"está comprimido como {0}, que este programa no sabe leer; expórtelo sin comprimir.",
    ),
    (
        r"says .+ and its compressed pixels say .+, expected the same(?: kind of pixels)?; export it again\.",
        rf"dice una cosa y sus píxeles comprimidos otra; {_EXPORT}.",
    ),
    (
        r"is compressed as 12-bit JPEG Extended, .+",
        r"está comprimido como JPEG Extended de 12 bits, que ningún descodificador de licencia libre lee; expórtelo sin comprimir.",
    ),
    (
        r"has lossless JPEG pixels of a damaged or unusual structure, .+",
        rf"tiene píxeles JPEG sin pérdida dañados o de estructura poco común; {_EXPORT}.",
    ),
    (
        rf"is in colour with {_NUMBER} bits a sample, expected 8 or 16; export it with 8\.",
        r"es en color con {0} bits por muestra; se esperaban 8 o 16: expórtelo con 8.",
    ),
    (
        r"has RescaleSlope 0, expected another number; export the film again\.",
        rf"tiene RescaleSlope 0; se esperaba otro número: {_EXPORT}.",
    ),
    (
        r"has a (\w+) that (?:is no number|is not finite|DICOM does not define), expected .+; export the film again\.",
        rf"tiene un {{0}} que no es válido; {_EXPORT}.",
    ),
    (r"has a (\w+) of .+ entries of .+ bits, expected .+; export the film again\.", rf"tiene un {{0}} que no es válido; {_EXPORT}."),
)
_WHAT = {
    "a zip archive": "un archivo zip",
    "an empty zip archive": "un archivo zip vacío",
    "a GIF picture or animation": "una imagen o animación GIF",
    "a PDF document": "un documento PDF",
    "a gzip file": "un archivo gzip",
    "a 7z archive": "un archivo 7z",
    "a RAR archive": "un archivo RAR",
    "a JPEG 2000 picture": "una imagen JPEG 2000",
    "a JPEG XL picture": "una imagen JPEG XL",
    "a Photoshop picture": "una imagen de Photoshop",
    "a web page": "una página web",
    "a WebP picture or animation": "una imagen o animación WebP",
    "a HEIC, AVIF or video file": "un archivo HEIC, AVIF o de vídeo",
    "a text file": "un archivo de texto",
    "of an unknown format": "de un formato desconocido",
}


def unreadable_in_spanish(sentence: str) -> str | None:
    """The sentence in Spanish; None when it is not one of those that say why a file is no film that can be read."""
    for pattern, spanish in _compiled():
        if found := pattern.fullmatch(sentence):
            name, *gaps = found.groups()
            what = _WHAT.get(gaps[0], gaps[0]) if gaps else ""
            return f"{name} {spanish.format(*(_spanish_number(gap) for gap in gaps), what=what)}"
    return None


def _spanish_number(text: str) -> str:
    """12,345.6 as it is written in Spanish; anything else as it is."""
    if not re.fullmatch(_NUMBER, text):
        return text
    return text.replace(",", "\u202f").replace(".", ",")


@functools.cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile("(.+?) " + english), spanish) for english, spanish in _SENTENCES)
