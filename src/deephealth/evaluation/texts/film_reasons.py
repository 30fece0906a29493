"""What a film's own tags say against it, or of it, in English (deephealth.images.dicom_tags, dicom_grey) and how that is said in Spanish.

Pieces of sentences: several objections stand in one, joined by semicolons. `frontend/src/lib/infer/spanish.ts` says the same.
"""

FILM_REASONS: tuple[tuple[str, str], ...] = (
    # objections
    (r"its modality is (.+), expected a radiograph \(CR, DX or RG\)", r"su modalidad es \1 y se esperaba una radiografía (CR, DX o RG)"),
    (r"its SOP class is (.+), expected a radiograph", r"su clase SOP es \1 y se esperaba una radiografía"),
    (
        r"its pixels are FOR PROCESSING, expected a film FOR PRESENTATION",
        r"sus píxeles son FOR PROCESSING y se esperaba una imagen FOR PRESENTATION",
    ),
    (r"its view is lateral, expected PA or AP", r"su proyección es lateral y se esperaba PA o AP"),
    (r"its view is oblique, expected PA or AP", r"su proyección es oblicua y se esperaba PA o AP"),
    (r"its body part is (.+), expected CHEST", r"su región anatómica es \1 y se esperaba CHEST"),
    # cautions
    (r"modality is (SC|OT), which does not say that this is a radiograph", r"su modalidad es \1, que no dice que sea una radiografía"),
    (r"does not say its modality", r"no dice su modalidad"),
    (
        r"is a Secondary Capture although its modality is (.+): it may have been converted from a picture",
        r"es una Secondary Capture aunque su modalidad es \1: puede haberse convertido a partir de una imagen",
    ),
    (r"does not say its view position", r"no dice su proyección"),
    (r"has view position (.+), expected PA or AP", r"tiene la proyección \1 y se esperaba PA o AP"),
    (r"has text burned into its pixels", r"tiene texto grabado en los píxeles"),
    (r"does not say whether text is burned into its pixels", r"no dice si hay texto grabado en los píxeles"),
    (
        r"has a pixel spacing of zero or none that can be read; its scale is unknown",
        r"tiene una distancia entre píxeles nula o ilegible: su escala es desconocida",
    ),
    # grey values
    (
        r"says MONOCHROME1 and PresentationLUTShape IDENTITY, which contradict each other; shown as MONOCHROME1",
        r"dice MONOCHROME1 y PresentationLUTShape IDENTITY, que se contradicen; se muestra como MONOCHROME1",
    ),
    (
        r"has a window of width (\S+), which cannot be used; the full range of values is shown",
        r"tiene una ventana de anchura \1, que no se puede usar; se muestra todo el rango de valores",
    ),
)
