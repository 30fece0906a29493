"""Sentences of the report on shortcuts, errors, refused films and how to make it again: (English, Spanish); {braces} are filled in."""

from __future__ import annotations

FINDINGS: dict[str, tuple[str, str]] = {
    "audit": ("Shortcut audit of the data", "Auditoría de atajos de los datos"),
    "audit_note": (
        "A linear probe sees only a part of each film and is tested on patients it has not seen. Grey band: the same probe on shuffled "
        "labels (three standard deviations). Circles: inputs without lungs, which decide the verdict. Squares: inputs that depend on "
        "the lungs too. p: how often shuffled labels score as high.",
        "Una prueba lineal ve solo una parte de cada radiografía y se evalúa con pacientes que no ha visto. Banda gris: la misma "
        "prueba con etiquetas barajadas (tres desviaciones típicas). Círculos: entradas sin pulmón, que deciden el veredicto. "
        "Cuadrados: entradas que dependen también de los pulmones. p: con qué frecuencia las etiquetas barajadas puntúan igual.",
    ),
    "probe": ("Input of the probe", "Entrada de la prueba"),
    "probe_auc": ("Mean AUC over held-out patients", "AUC media en pacientes apartados"),
    "probe_null": ("Shuffled labels", "Etiquetas barajadas"),
    "probe_p": ("p {sign} {value}", "p {sign} {value}"),
    "probe_beats": ("Beats chance", "Supera al azar"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    "lung_free": ("holds no lung", "sin pulmón"),
    "probe_whole film": ("whole film", "imagen entera"),
    "probe_border": ("border", "borde"),
    "probe_top corners": ("top corners", "esquinas superiores"),
    "probe_picture size": ("picture size", "tamaño de la imagen"),
    "probe_grey levels": ("grey levels", "niveles de gris"),
    "probe_file size": ("file size", "tamaño del archivo"),
    "errors": ("Most confident errors", "Errores con mayor confianza"),
    "errors_note": (
        "The wrong answers with the highest probability: look here first, for wrong labels as much as for a wrong model.",
        "Las respuestas erróneas con mayor probabilidad: conviene mirarlas primero, tanto por etiquetas erróneas como por fallos del "
        "modelo.",
    ),
    "no_errors": ("No film was answered wrongly.", "Ninguna radiografía recibió una respuesta errónea."),
    "film": ("Film", "Radiografía"),
    "film_number": ("film {n}", "radiografía {n}"),
    "film_alt": ("Film {name}, dataset label {truth}", "Radiografía {name}, etiqueta {truth}"),
    "overlay_alt": (
        "The same film with the areas that speak for {answer} marked",
        "La misma radiografía con las zonas que apoyan {answer} marcadas",
    ),
    "probability": ("Probability of the answer", "Probabilidad de la respuesta"),
    "novelty": ("Novelty", "Novedad"),
    "refused": ("Films refused by the gate", "Radiografías rechazadas por el filtro"),
    "refused_note": (
        "{n} of {total} films are less like the training films than the model's gate allows. They are in the scores of all films.",
        "{n} de {total} radiografías se parecen a las de entrenamiento menos de lo que permite el filtro. Están en los resultados de "
        "todas las radiografías.",
    ),
    "no_refused": ("The gate refused none of the {total} films.", "El filtro no rechazó ninguna de las {total} radiografías."),
    "problems": ("Films left out", "Radiografías excluidas"),
    "problems_note": ("{n} films are in no score.", "{n} radiografías no están en ningún resultado."),
    "no_problems": ("Every film could be read.", "Se pudieron leer todas las radiografías."),
    "reason": ("Reason", "Motivo"),
    "more": ("and {n} more, in the JSON report", "y {n} más, en el informe JSON"),
    "published": ("Published numbers to stand beside", "Cifras publicadas para situarse"),
    "published_note": (
        "Not directly comparable: the official test films differ from the training films, most publications split or tuned in other "
        "ways, and many let films of one patient stand on both sides. A random re-split of these films gives 99.4 %, which says "
        "nothing about a new patient. Intervals and numbers of patients are those published, mostly none.",
        "No son directamente comparables: las radiografías oficiales de prueba difieren de las de entrenamiento, la mayoría de "
        "publicaciones repartió o ajustó de otra manera, y muchas dejan radiografías de un paciente a ambos lados. Un reparto al azar "
        "de estas radiografías da 99,4 %, lo que no dice nada sobre un paciente nuevo. Los intervalos y números de pacientes son los "
        "publicados, casi siempre ninguno.",
    ),
    "study": ("Study", "Estudio"),
    "question": ("Question", "Pregunta"),
    "published_value": ("Published", "Publicado"),
    "normal_pneumonia": ("normal or pneumonia", "normal o neumonía"),
    "bacterial_viral": ("bacterial or viral", "bacteriana o vírica"),
    "three": ("three classes, official test (624 films)", "tres clases, prueba oficial (624 radiografías)"),
    "three_own": ("three classes, own validation split", "tres clases, partición de validación propia"),
    "reproduce": ("Reproduction", "Reproducción"),
    "hash_model": ("Model file, SHA-256", "Archivo del modelo, SHA-256"),
    "hash_data": ("Data, SHA-256", "Datos, SHA-256"),
    "hash_split": ("Split, SHA-256", "Partición, SHA-256"),
    "seed": ("Seed", "Semilla"),
    "versions": ("Versions", "Versiones"),
    "method": ("How the numbers were made", "Cómo se calcularon los números"),
    "method_text": (
        "95\u00a0% intervals: bootstrap over patients (2,000 draws), because films of one patient resemble each other. Shares, AUC and "
        "average precision take Wilson's score interval at the effective number of cases that the bootstrap finds; at exactly 0 or 100 "
        "%, Clopper and Pearson's or Newcombe's over patients; mean losses a bootstrap-t interval. ECE is too high by chance when "
        "films are few; its interval is for the error of all films. AUC: chance that a film of the class scores above one of the rest, "
        "ties counting a half. n stands beside every score: the films and patients it is computed from.",
        "Intervalos del 95 %: bootstrap por pacientes (2000 extracciones), porque las radiografías de un paciente se parecen. Las "
        "proporciones, el AUC y la precisión media toman el intervalo de Wilson con el número efectivo de casos que da el bootstrap; "
        "en 0 o 100 % exactos, el de Clopper y Pearson o el de Newcombe por pacientes; las pérdidas medias, un intervalo bootstrap-t. "
        "El ECE sale demasiado alto por azar con pocas radiografías; su intervalo es para el error de todas. AUC: probabilidad de que "
        "una radiografía de la clase puntúe más que una del resto, con los empates a medias. Junto a cada resultado está n: las "
        "radiografías y pacientes con que se calcula.",
    ),
    "literature": (
        "Read with: Zech 2018, Maguolo and Nanni 2021, DeGrave 2021, Roberts 2021 on shortcuts and sources; CLAIM 2024 and TRIPOD+AI "
        "on reporting.",
        "Conviene leer: Zech 2018, Maguolo y Nanni 2021, DeGrave 2021, Roberts 2021 sobre atajos y procedencias; CLAIM 2024 y "
        "TRIPOD+AI sobre cómo informar.",
    ),
}
