"""Sentences of the report's first screen: (English, Spanish); {braces} are filled in."""

from __future__ import annotations

FIRST: dict[str, tuple[str, str]] = {
    "title": ("Evaluation report", "Informe de evaluación"),
    "unnamed": ("unnamed model", "modelo sin nombre"),
    "model": ("Model", "Modelo"),
    "data": ("Data", "Datos"),
    "films_of": ("Films scored", "Radiografías evaluadas"),
    "split_test": ("test films (held out)", "radiografías de prueba (apartadas)"),
    "split_validation": ("validation films", "radiografías de validación"),
    "split_train": ("training films", "radiografías de entrenamiento"),
    "split_external": ("external films (another source)", "radiografías externas (otra procedencia)"),
    "verdict": ("Can these scores be believed?", "¿Se puede confiar en estos resultados?"),
    "shortcuts": ("Shortcuts", "Atajos"),
    "leakage": ("Leakage", "Fuga de datos"),
    "note": ("Note", "Nota"),
    "level_good": ("no objection found", "sin objeciones"),
    "level_bad": ("warning", "advertencia"),
    "level_unknown": ("not known", "sin comprobar"),
    "audit_sufficient": (
        "label predictable without the lungs: sufficient",
        "etiqueta predecible sin los pulmones: suficiente",
    ),
    "audit_partial": ("label predictable without the lungs: partial", "etiqueta predecible sin los pulmones: parcial"),
    "audit_none": ("no shortcut found by these probes", "ningún atajo hallado por estas pruebas"),
    "audit_unknown": ("the shortcut audit could not be made", "la auditoría de atajos no se pudo hacer"),
    "audit_missing": (
        "the shortcut audit was not made for this report",
        "la auditoría de atajos no se hizo para este informe",
    ),
    "audit_sufficient_means": (
        "Parts of these films that hold no lung tell the labels apart about as well as the whole film. A high score may not "
        "come from the lungs.",
        "Partes de estas radiografías sin pulmón distinguen las etiquetas casi tan bien como la imagen entera. Un resultado "
        "alto puede no venir de los pulmones.",
    ),
    "audit_partial_means": (
        "Parts of these films that hold no lung tell the labels apart better than chance. Some of the score may not come from the lungs.",
        "Partes de estas radiografías sin pulmón distinguen las etiquetas mejor que el azar. Parte del resultado puede no venir"
        " de los pulmones.",
    ),
    "audit_none_means": (
        "Simple probes of the border, the corners, the film with its lungs blacked out and the picture size do no better than chance. "
        "Other shortcuts remain possible.",
        "Pruebas simples del borde, las esquinas, la imagen con los pulmones en negro y el tamaño no superan al azar. Otros atajos "
        "siguen siendo posibles.",
    ),
    "audit_unknown_means": (
        "There are too few classes or patients for it.",
        "Hay muy pocas clases o pacientes para hacerla.",
    ),
    "audit_missing_means": (
        "Whether the labels can be told without the lungs is not known.",
        "No se sabe si las etiquetas se distinguen sin los pulmones.",
    ),
    "leak_missing": (
        "It was not checked whether these films, or their patients, were also used for training.",
        "No se comprobó si estas radiografías, o sus pacientes, se usaron también para entrenar.",
    ),
    "leak_by_content": (
        "No film here is one that the model learned from, by content; whether their patients were in its training is not known.",
        "Ninguna de estas radiografías es, por su contenido, de las que el modelo aprendió; si sus pacientes lo fueron, no se sabe.",
    ),
    "leak_none": (
        "No leakage found: no copy and no patient on two sides of the split.",
        "No se halló fuga: ninguna copia ni paciente a ambos lados de la partición.",
    ),
    "leak_found": (
        "Leakage: {parts}. The scores below are too high by an unknown amount.",
        "Fuga de datos: {parts}. Los resultados son demasiado altos en una medida desconocida.",
    ),
    "leak_means": (
        "The scores below are too high by an unknown amount.",
        "Los resultados son demasiado altos en una medida desconocida.",
    ),
    "leak_exact": ("exact copies across the split: {n}", "copias exactas entre particiones: {n}"),
    "leak_near": ("near duplicates across the split: {n}", "casi duplicados entre particiones: {n}"),
    "leak_patient": ("patients on two sides: {n}", "pacientes a ambos lados: {n}"),
    "leak_augmented": (
        "augmented copies away from their origin: {n}",
        "copias aumentadas separadas de su original: {n}",
    ),
    "leak_backbone": (
        "films that the backbone has learned from: {n}",
        "radiografías con las que aprendió la red base: {n}",
    ),
    "limits": ("What this report cannot show", "Lo que este informe no puede mostrar"),
    "summary": ("Summary", "Resumen"),
    "films": ("films", "radiografías"),
    "patients": ("patients", "pacientes"),
    "n_of": ("{films} films, {patients} patients", "{films} radiografías, {patients} pacientes"),
    "interval_of": ("95\u00a0% interval {ends}", "intervalo 95\u00a0%: {ends}"),
    "n_means": (
        "Under each score: its 95\u00a0% interval, and n, the films / patients that it is computed from.",
        "Bajo cada resultado: su intervalo del 95 % y n, las radiografías / pacientes con que se calcula.",
    ),
    "split_unseen": ("films the model has not learned from", "radiografías de las que el modelo no ha aprendido"),
    "split_all": ("all films", "todas las radiografías"),
    "note_left_out": (
        "{seen} films that the model learned from were left out; {rest} remain.",
        "Se han apartado {seen} radiografías de las que el modelo aprendió; quedan {rest}.",
    ),
    "note_included": (
        "The model learned from {seen} of these {all} films: the scores are too high.",
        "El modelo aprendió de {seen} de estas {all} radiografías: los resultados son demasiado altos.",
    ),
    "LEAKAGE ALLOWED BY USER": ("LEAKAGE ALLOWED BY USER", "FUGA DE DATOS ADMITIDA POR QUIEN ENTRENÓ"),
    "unknown_value": ("cannot be computed", "no se puede calcular"),
    "accuracy": ("Accuracy", "Exactitud"),
    "balanced_accuracy": ("Balanced accuracy", "Exactitud equilibrada"),
    "macro_auc": ("Mean AUC", "AUC media"),
    "chance": ("chance: {value}", "azar: {value}"),
    "at_point": ("Sensitivity at “{name}”", "Sensibilidad en «{name}»"),
    "point_sense": ("of “{positive}”; threshold set on validation", "de «{positive}»; umbral fijado en validación"),
    "use": ("What this model must not be used for", "Para qué no debe usarse este modelo"),
    "use_text": (
        "For research, education and model evaluation. Not a medical device; not for diagnosis, triage or treatment. Outputs "
        "are probabilities of dataset labels.",
        "Para investigación, enseñanza y evaluación de modelos. No es un producto sanitario; no sirve para diagnóstico, triaje "
        "ni tratamiento. Las salidas son probabilidades de etiquetas de un conjunto de datos.",
    ),
    "use_scope": (
        "The scores hold for films like these: the same sources, ages and devices. Elsewhere they can be far lower, and only a "
        "test there can tell.",
        "Los resultados valen para radiografías como estas: mismas procedencias, edades y equipos. En otro lugar pueden ser "
        "mucho más bajos, y solo una prueba allí puede decirlo.",
    ),
}
