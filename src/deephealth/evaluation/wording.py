"""Every sentence of the report, in English and Spanish side by side, and how each language writes numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")

# key: (English, Spanish); {braces} are filled in.
TEXT: dict[str, tuple[str, str]] = {
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
        "Simple probes of the border, the corners and the picture size do no better than chance. Other shortcuts remain possible.",
        "Pruebas simples del borde, las esquinas y el tamaño no superan al azar. Otros atajos siguen siendo posibles.",
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
    "limits": ("What these films cannot show", "Lo que estas radiografías no pueden mostrar"),
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
    "data_facts": ("Data and split", "Datos y partición"),
    "class": ("Dataset label", "Etiqueta"),
    "share": ("Share", "Proporción"),
    "all": ("All", "Total"),
    "all_films": ("All films", "Todas las radiografías"),
    "accepted_films": ("Without the refused films", "Sin las rechazadas"),
    "score": ("Score", "Medida"),
    "split": ("Split", "Partición"),
    "by_patient": ("grouped by patient", "agrupada por paciente"),
    "by_film": (
        "by film: films of one patient may stand on both sides",
        "por radiografía: las de un mismo paciente pueden estar a ambos lados",
    ),
    "not_given": ("not given", "no indicado"),
    "confusion": ("Confusion matrix", "Matriz de confusión"),
    "confusion_note": (
        "Rows: dataset label. Columns: the model's answer (highest probability). Each cell: films, and their share of the row.",
        "Filas: etiqueta. Columnas: respuesta del modelo (mayor probabilidad). Cada celda: radiografías y su proporción en la fila.",
    ),
    "truth": ("Dataset label", "Etiqueta"),
    "answer": ("Answer", "Respuesta"),
    "row_total": ("Films", "Radiografías"),
    "curves": ("ROC and precision-recall", "ROC y precisión-exhaustividad"),
    "curves_note": ("Each class against the rest.", "Cada clase frente al resto."),
    "roc": ("ROC curve", "Curva ROC"),
    "roc_x": ("1 − specificity", "1 − especificidad"),
    "roc_y": ("Sensitivity", "Sensibilidad"),
    "roc_chance": ("chance", "azar"),
    "pr": ("Precision-recall curve", "Curva de precisión-exhaustividad"),
    "pr_x": ("Recall (sensitivity)", "Exhaustividad (sensibilidad)"),
    "pr_y": ("Precision (PPV)", "Precisión (VPP)"),
    "ap": ("Average precision", "Precisión media"),
    "no_curve": (
        "No curve can be drawn: it needs films of two classes.",
        "No se puede dibujar la curva: hacen falta radiografías de dos clases.",
    ),
    "points": ("Operating points", "Puntos de operación"),
    "points_note": (
        "Chosen on validation films, frozen into the model, applied here. The answer is “yes” when the summed probability of "
        "the positive labels is at least the threshold.",
        "Elegidos con las radiografías de validación, fijados en el modelo y aplicados aquí. La respuesta es «sí» cuando la "
        "suma de las probabilidades de las etiquetas positivas alcanza el umbral.",
    ),
    "no_points": ("The model holds no operating point.", "El modelo no tiene ningún punto de operación."),
    "point": ("Point", "Punto"),
    "threshold": ("Threshold", "Umbral"),
    "chosen_on": (
        "when chosen: sensitivity {sensitivity}, specificity {specificity}",
        "al elegirlo: sensibilidad {sensitivity}, especificidad {specificity}",
    ),
    "against": ("{positive} against {negative}", "{positive} frente a {negative}"),
    "or": ("or", "o"),
    "sensitivity": ("Sensitivity", "Sensibilidad"),
    "specificity": ("Specificity", "Especificidad"),
    "ppv": ("PPV", "VPP"),
    "npv": ("NPV", "VPN"),
    "at_prevalence": ("at prevalence {value}", "con prevalencia {value}"),
    "at_data": ("as in these films", "como en estas radiografías"),
    "per_class": ("Each class against the rest", "Cada clase frente al resto"),
    "per_class_note": (
        "By the highest probability. PPV and NPV depend on how common a class is: here as in these films{more}.",
        "Según la mayor probabilidad. VPP y VPN dependen de la frecuencia de la clase: aquí como en estas radiografías{more}.",
    ),
    "per_class_more": (", and at the prevalence asked for", ", y con la prevalencia pedida"),
    "calibration": ("Calibration", "Calibración"),
    "calibration_note": (
        "Are the probabilities right as often as they say? Points on the diagonal are; below it the model is too sure of itself.",
        "¿Aciertan las probabilidades tan a menudo como dicen? Los puntos de la diagonal sí; por debajo, el modelo está demasiado seguro.",
    ),
    "reliability": ("Reliability plot", "Diagrama de fiabilidad"),
    "reliability_x": ("Mean probability of the answer", "Probabilidad media de la respuesta"),
    "reliability_y": ("Share of right answers", "Proporción de aciertos"),
    "ideal": ("perfectly calibrated", "calibración perfecta"),
    "ece": ("ECE (equal-mass bins)", "ECE (grupos de igual tamaño)"),
    "ece_before": ("ECE before the temperature", "ECE antes de la temperatura"),
    "brier": ("Brier score (0 to 2)", "Puntuación de Brier (0 a 2)"),
    "log_loss": ("Log loss (nats)", "Pérdida logarítmica (nats)"),
    "temperature": ("Temperature, fitted on validation", "Temperatura, ajustada en validación"),
    "audit": ("Shortcut audit of the data", "Auditoría de atajos de los datos"),
    "audit_note": (
        "A linear probe sees only a part of each film and is tested on patients it has not seen. Grey band: the same probe on "
        "shuffled labels (three standard deviations). Circles: inputs without lungs, which decide the verdict. Squares: inputs "
        "that depend on the lungs too.",
        "Una prueba lineal ve solo una parte de cada radiografía y se evalúa con pacientes que no ha visto. Banda gris: la "
        "misma prueba con etiquetas barajadas (tres desviaciones típicas). Círculos: entradas sin pulmón, que deciden el "
        "veredicto. Cuadrados: entradas que dependen también de los pulmones.",
    ),
    "probe": ("Input of the probe", "Entrada de la prueba"),
    "probe_auc": ("Mean AUC over held-out patients", "AUC media en pacientes apartados"),
    "probe_null": ("Shuffled labels", "Etiquetas barajadas"),
    "probe_beats": ("Beats chance", "Supera al azar"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    "lung_free": ("holds no lung", "sin pulmón"),
    "whole film": ("whole film", "imagen entera"),
    "border": ("border", "borde"),
    "top corners": ("top corners", "esquinas superiores"),
    "picture size": ("picture size", "tamaño de la imagen"),
    "grey levels": ("grey levels", "niveles de gris"),
    "file size": ("file size", "tamaño del archivo"),
    "errors": ("Most confident errors", "Errores con mayor confianza"),
    "errors_note": (
        "The wrong answers with the highest probability: look here first, for wrong labels as much as for a wrong model.",
        "Las respuestas erróneas con mayor probabilidad: conviene mirarlas primero, tanto por etiquetas erróneas como por "
        "fallos del modelo.",
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
        "{n} de {total} radiografías se parecen a las de entrenamiento menos de lo que permite el filtro. Están en los "
        "resultados de todas las radiografías.",
    ),
    "no_refused": (
        "The gate refused none of the {total} films.",
        "El filtro no rechazó ninguna de las {total} radiografías.",
    ),
    "problems": ("Films left out", "Radiografías excluidas"),
    "problems_note": ("{n} films are in no score.", "{n} radiografías no están en ningún resultado."),
    "no_problems": ("Every film could be read.", "Se pudieron leer todas las radiografías."),
    "reason": ("Reason", "Motivo"),
    "more": ("and {n} more, in the JSON report", "y {n} más, en el informe JSON"),
    "published": ("Published numbers to stand beside", "Cifras publicadas para situarse"),
    "published_note": (
        "Not directly comparable: the official test films differ from the training films, most publications split or tuned in "
        "other ways, and many let films of one patient stand on both sides. A random re-split of these films gives 99.4 %, "
        "which says nothing about a new patient. Intervals and numbers of patients are those published, mostly none.",
        "No son directamente comparables: las radiografías oficiales de prueba difieren de las de entrenamiento, la mayoría de "
        "publicaciones repartió o ajustó de otra manera, y muchas dejan radiografías de un paciente a ambos lados. Un reparto "
        "al azar de estas radiografías da 99,4 %, lo que no dice nada sobre un paciente nuevo. Los intervalos y números de "
        "pacientes son los publicados, casi siempre ninguno.",
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
        "95\u00a0% intervals: bootstrap over patients (2,000 draws), because films of one patient resemble each other; where fewer "
        "than ten patients are wrong (or right), Wilson's interval at the effective number of patients; at exactly 0 or 100 %, "
        "Clopper and Pearson's; for an AUC from few patients, Newcombe's. ECE is too high by chance when films are few; its "
        "interval is corrected for that. AUC: chance that a film of the class scores above one of the rest, ties counting a "
        "half. n stands beside every score: the films and patients it is computed from.",
        "Intervalos del 95 %: bootstrap por pacientes (2000 extracciones), porque las radiografías de un paciente se parecen; "
        "con menos de diez pacientes con fallos (o aciertos), el de Wilson con el número efectivo de pacientes; en 0 o 100 % "
        "exactos, el de Clopper y Pearson; para un AUC con pocos pacientes, el de Newcombe. El ECE sale demasiado alto por azar"
        " con pocas radiografías; su intervalo está corregido por ello. AUC: probabilidad de que una radiografía de la clase "
        "puntúe más que una del resto, con los empates a medias. Junto a cada resultado está n: las radiografías y pacientes "
        "con que se calcula.",
    ),
    "literature": (
        "Read with: Zech 2018, Maguolo and Nanni 2021, DeGrave 2021, Roberts 2021 on shortcuts and sources; CLAIM 2024 and "
        "TRIPOD+AI on reporting.",
        "Conviene leer: Zech 2018, Maguolo y Nanni 2021, DeGrave 2021, Roberts 2021 sobre atajos y procedencias; CLAIM 2024 y "
        "TRIPOD+AI sobre cómo informar.",
    ),
}

LIMITS: dict[str, tuple[str, str]] = {
    "no_films": (
        "There is no film to score, so nothing can be concluded.",
        "No hay radiografías que evaluar: no se puede concluir nada.",
    ),
    "one_class": (
        "All films are of one class ({label}): sensitivity for the others, AUC and every curve cannot be computed.",
        "Todas las radiografías son de una clase ({label}): no se pueden calcular la sensibilidad de las demás, el AUC ni las curvas.",
    ),
    "absent_classes": (
        "No film is of {labels}: nothing can be said about them, and means leave them out.",
        "Ninguna radiografía es de {labels}: no se puede decir nada de ellas, y las medias no las incluyen.",
    ),
    "one_patient": (
        "All films are of one patient: nothing can be concluded about other patients.",
        "Todas las radiografías son de un paciente: no se puede concluir nada sobre otros.",
    ),
    "few": (
        "Only {films} films of {patients} patients: the intervals are wide, and no ranking of models is possible.",
        "Solo {films} radiografías de {patients} pacientes: los intervalos son amplios y no permiten ordenar modelos.",
    ),
    "small_classes": (
        "Fewer than 20 films of {labels}: read these rows by their intervals only.",
        "Menos de 20 radiografías de {labels}: lea esas filas solo por sus intervalos.",
    ),
    "unknown_labels": (
        "{n} films have a label that the model does not know; they are in no score.",
        "{n} radiografías tienen una etiqueta que el modelo no conoce; no están en ningún resultado.",
    ),
    "unusable_points": (
        "{n} operating points of the model name labels it does not have; they were not applied.",
        "{n} puntos de operación nombran etiquetas que el modelo no tiene; no se aplicaron.",
    ),
    "all_refused": (
        "The novelty gate refused every film: the scores are of films unlike those the model learned from, and none is of accepted films.",
        "El filtro de novedad rechazó todas las radiografías: los resultados son de radiografías distintas de las del entrenamiento.",
    ),
}

# study, key of the question, scores as published (English decimal points).
PUBLISHED: tuple[tuple[str, str, str], ...] = (
    ("Kermany 2018", "normal_pneumonia", "accuracy 92.8 %, sensitivity 93.2 %, specificity 90.1 %, AUC 0.968"),
    ("Kermany 2018", "bacterial_viral", "accuracy 90.7 %, AUC 0.940"),
    ("Inception V3", "three", "accuracy 81.4 %"),
    ("ResNet152V2 (FangYuC)", "three", "accuracy 88.3 %"),
    ("Ayan 2021, ensemble", "three", "accuracy 90.7 %"),
    ("PneumoniaMNIST, 224 px", "normal_pneumonia", "AUC 0.956–0.962"),
    ("Deep Health, 2018", "three_own", "accuracy 78 %"),
)
_SPANISH_TERMS = (("accuracy", "exactitud"), ("sensitivity", "sensibilidad"), ("specificity", "especificidad"), ("AUC", "AUC"))


class Words:
    """The report's wording in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, **values: Any) -> str:
        """The text of `key` (KeyError for an unknown one) with its {braces} filled."""
        return TEXT[key][self._column].format(**values)

    def or_plain(self, key: str) -> str:
        """The text of `key`, or `key` itself where there is none."""
        return TEXT[key][self._column] if key in TEXT else key

    def limit(self, code: str, values: Mapping[str, Any]) -> str:
        """The sentence of a limit."""
        shown = {name: self.count(value) if isinstance(value, int) else value for name, value in values.items()}
        return LIMITS[code][self._column].format(**shown)

    def count(self, number: int) -> str:
        """A whole number with the language's separator of thousands (in Spanish none below 10,000)."""
        if self.language == "en":
            return f"{number:,}"
        return f"{number:,}".replace(",", "\u202f") if abs(number) >= 10000 else str(number)

    def number(self, value: float, digits: int = 3) -> str:
        """A decimal number."""
        text = f"{value:.{digits}f}"
        return text if self.language == "en" else text.replace(".", ",")

    def percent(self, value: float, digits: int = 1) -> str:
        """A share 0..1 as a percentage."""
        return self.number(100 * value, digits) + "\u00a0%"

    def published(self, scores: str) -> str:
        """Published scores in the language's terms and decimals."""
        if self.language == "en":
            return scores
        for english, spanish in _SPANISH_TERMS:
            scores = scores.replace(english, spanish)
        return scores.replace(", ", "; ").replace(".", ",")
