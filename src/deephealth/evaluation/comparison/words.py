"""Every text of a comparison, in English and Spanish side by side; `sentences` puts them together."""

from __future__ import annotations

# key: (English, Spanish); {braces} are filled in.
TEXT: dict[str, tuple[str, str]] = {
    "title": ("Comparison of two models", "Comparación de dos modelos"),
    "unnamed": ("unnamed model", "modelo sin nombre"),
    "data": ("Data", "Datos"),
    "verdict": ("Which model is better on these films?", "¿Qué modelo es mejor con estas radiografías?"),
    "level_good": ("a difference was shown", "se ha mostrado una diferencia"),
    "level_unknown": ("no winner", "sin ganador"),
    "level_note": ("note", "nota"),
    "better": (
        "{winner} has the higher balanced accuracy on these films: the difference B − A is {range} points, and its 95\u00a0% "
        "interval leaves zero out.",
        "{winner} tiene mayor exactitud equilibrada con estas radiografías: la diferencia B − A es de {range} puntos y su "
        "intervalo del 95\u00a0% no contiene el cero.",
    ),
    "undecided": (
        "These films cannot tell the two models apart: the difference of balanced accuracy, B − A, is {range} points, and its "
        "95\u00a0% interval holds zero.",
        "Estas radiografías no permiten distinguir los dos modelos: la diferencia de exactitud equilibrada, B − A, es de "
        "{range} puntos y su intervalo del 95\u00a0% contiene el cero.",
    ),
    "needed": (
        "About {n} patients would be needed to see a difference of this size (in 80\u00a0% of studies, with patients like "
        "these); here there are {here}. It rests on a difference that is itself uncertain.",
        "Harían falta unos {n} pacientes para ver una diferencia de este tamaño (en el 80\u00a0% de los estudios, con pacientes"
        " como estos); aquí hay {here}. El número depende de una diferencia que es, ella misma, incierta.",
    ),
    "needed_many": (
        "More than a million patients would be needed to see a difference of this size.",
        "Haría falta más de un millón de pacientes para ver una diferencia de este tamaño.",
    ),
    "needed_zero": (
        "The difference seen is zero, so no number of patients that would show it can be given.",
        "La diferencia observada es cero, así que no se puede dar un número de pacientes que la mostraría.",
    ),
    "needed_unknown": (
        "How many patients would be needed to see a difference of this size cannot be said from so few.",
        "Con tan pocos no se puede decir cuántos pacientes harían falta para ver una diferencia de este tamaño.",
    ),
    "seen": (
        "A model has learned from {n} of these films, so no winner is named; the difference of balanced accuracy, B − A, is "
        "{range} points here.",
        "Un modelo ha aprendido de {n} de estas radiografías y por eso no se nombra ganador; la diferencia de exactitud "
        "equilibrada, B − A, es aquí de {range} puntos.",
    ),
    "same": (
        "A and B are the same model file: there is nothing to tell apart.",
        "A y B son el mismo archivo de modelo: no hay nada que distinguir.",
    ),
    "unknown": (
        "Nothing can be concluded from these films about which model is better.",
        "De estas radiografías no se puede concluir nada sobre qué modelo es mejor.",
    ),
    "not_worse": (
        "B is not worse than A by more than {margin} points: the lower end of the interval, {low}, lies above −{margin}.",
        "B no es peor que A en más de {margin} puntos: el extremo inferior del intervalo, {low}, queda por encima de −{margin}.",
    ),
    "may_be_worse": (
        "It is not shown that B stays within {margin} points of A: the lower end of the interval, {low}, does not lie above −{margin}.",
        "No queda mostrado que B se mantenga a menos de {margin} puntos de A: el extremo inferior del intervalo, {low}, no "
        "queda por encima de −{margin}.",
    ),
    "margin_unknown": (
        "Whether B stays within {margin} points of A cannot be said.",
        "No se puede decir si B se mantiene a menos de {margin} puntos de A.",
    ),
    "one_score": (
        "Balanced accuracy alone decides, and was chosen before any film was scored; the other scores describe and carry no claim.",
        "Solo decide la exactitud equilibrada, elegida antes de evaluar ninguna radiografía; los demás resultados describen y "
        "no sustentan ninguna afirmación.",
    ),
    "limits": ("What these films cannot show", "Lo que estas radiografías no pueden mostrar"),
    "notes": ("Which films were compared", "Qué radiografías se compararon"),
    "note_left_out": (
        "{n} films that A or B learned from were left out for both (A: {a}, B: {b}).",
        "Se han apartado para ambos {n} radiografías de las que A o B aprendieron (A: {a}, B: {b}).",
    ),
    "note_included": (
        "A learned from {a} of these films and B from {b}: scores on them are too high, and unequally so.",
        "A aprendió de {a} de estas radiografías y B de {b}: los resultados con ellas son demasiado altos, y de forma desigual.",
    ),
    "note_other_labels": (
        "{n} films have a label that not both models know; they are in no score. The labels compared are {labels}; the "
        "probabilities of a model that knows more are taken among these.",
        "{n} radiografías tienen una etiqueta que no conocen ambos modelos; no están en ningún resultado. Se comparan las "
        "etiquetas {labels}; las probabilidades de un modelo que conoce más se toman entre estas.",
    ),
    "note_labels": (
        "The models know different labels; those compared are {labels}, and the probabilities of a model that knows more are "
        "taken among these.",
        "Los modelos conocen etiquetas distintas; se comparan {labels}, y las probabilidades de un modelo que conoce más se "
        "toman entre estas.",
    ),
    "note_unread": (
        "{n} films could not be read; they are in no score.",
        "No se pudieron leer {n} radiografías; no están en ningún resultado.",
    ),
    "note_refused": (
        "The gate of A alone would refuse {a} of the films scored, that of B alone {b}, both {both}; they are in the scores.",
        "El filtro de A rechazaría él solo {a} de las radiografías evaluadas, el de B él solo {b}, y ambos {both}; están en los"
        " resultados.",
    ),
    "summary": ("Balanced accuracy", "Exactitud equilibrada"),
    "films": ("films", "radiografías"),
    "patients": ("patients", "pacientes"),
    "n_of": ("{films} films, {patients} patients", "{films} radiografías, {patients} pacientes"),
    "interval": ("95\u00a0% interval", "intervalo del 95\u00a0%"),
    "unknown_value": ("cannot be computed", "no se puede calcular"),
    "points_unit": ("{value} points", "{value} puntos"),
    "difference": ("B − A", "B − A"),
    "use": ("What these models must not be used for", "Para qué no deben usarse estos modelos"),
    "use_text": (
        "For research, education and model evaluation. Not a medical device; not for diagnosis, triage or treatment. Outputs "
        "are probabilities of dataset labels.",
        "Para investigación, enseñanza y evaluación de modelos. No es un producto sanitario; no sirve para diagnóstico, triaje "
        "ni tratamiento. Las salidas son probabilidades de etiquetas de un conjunto de datos.",
    ),
    "use_scope": (
        "What is better here need not be better elsewhere: the comparison holds for films like these, from the same sources, "
        "ages and devices.",
        "Lo que aquí es mejor puede no serlo en otro lugar: la comparación vale para radiografías como estas, de las mismas "
        "procedencias, edades y equipos.",
    ),
    "forest": ("Differences, B − A", "Diferencias, B − A"),
    "forest_note": (
        "Square: the difference. Line: its 95\u00a0% interval over patients. Dashed: no difference. Bold: the one score that "
        "decides. In points, hundredths of the score.",
        "Cuadrado: la diferencia. Línea: su intervalo del 95\u00a0% por pacientes. Discontinua: ninguna diferencia. En negrita:"
        " el único resultado que decide. En puntos, centésimas del resultado.",
    ),
    "forest_high": ("Scores where more is better", "Resultados en los que más es mejor"),
    "forest_low": ("Scores where less is better", "Resultados en los que menos es mejor"),
    "a_better": ("A better", "mejor A"),
    "b_better": ("B better", "mejor B"),
    "scores": ("Every score of both", "Todos los resultados de ambos"),
    "scores_note": (
        "Under each score its 95\u00a0% interval. n: the films / patients that it is computed from. Sensitivity and "
        "specificity: each model at its own threshold, frozen on validation films. A dash: cannot be computed from these films.",
        "Bajo cada resultado, su intervalo del 95 %. n: las radiografías / pacientes con que se calcula. Sensibilidad y "
        "especificidad: cada modelo con su propio umbral, fijado con radiografías de validación. Una raya: no se puede calcular "
        "con estas radiografías.",
    ),
    "score": ("Score", "Resultado"),
    "accuracy": ("Accuracy", "Exactitud"),
    "balanced_accuracy": ("Balanced accuracy", "Exactitud equilibrada"),
    "macro_auc": ("Mean AUC", "AUC media"),
    "auc": ("AUC, {subject}", "AUC, {subject}"),
    "sensitivity": ("Sensitivity at “{subject}”, {positive}", "Sensibilidad en «{subject}», {positive}"),
    "specificity": ("Specificity at “{subject}”, {positive}", "Especificidad en «{subject}», {positive}"),
    "point_sensitivity": ("sensitivity", "sensibilidad"),
    "point_specificity": ("specificity", "especificidad"),
    "brier": ("Brier score (0 to 2)", "Puntuación de Brier (0 a 2)"),
    "log_loss": ("Log loss (nats)", "Pérdida logarítmica (nats)"),
    "ece": ("ECE (equal-mass bins)", "ECE (grupos de igual tamaño)"),
    "or": ("or", "o"),
    "moves": ("Who answers which films rightly", "Quién acierta con qué radiografías"),
    "moves_note": (
        "Films of each dataset label, by whose most probable class is the label.",
        "Radiografías de cada etiqueta, según qué modelo la da como clase más probable.",
    ),
    "class": ("Dataset label", "Etiqueta"),
    "both_right": ("Both right", "Aciertan ambos"),
    "only_a": ("Only A right", "Acierta solo A"),
    "only_b": ("Only B right", "Acierta solo B"),
    "neither": ("Neither right", "No acierta ninguno"),
    "all": ("all", "todas"),
    "points": ("Reclassification at the operating points", "Reclasificación en los puntos de operación"),
    "points_note": (
        "Up: A says no, B yes. Down: A says yes, B no. Net reclassification index (NRI): share of positive films moved up less "
        "those moved down, plus share of negative films moved down less those moved up. With yes and no alone it is the gain in"
        " sensitivity plus the gain in specificity; read those two apart, since a film missed and a false alarm do not weigh "
        "the same.",
        "Suben: A dice no y B sí. Bajan: A dice sí y B no. Índice de reclasificación neta (NRI): proporción de radiografías "
        "positivas que suben menos las que bajan, más la de negativas que bajan menos las que suben. Con solo sí y no es la "
        "ganancia en sensibilidad más la ganancia en especificidad; léanse por separado, porque un positivo perdido y una falsa"
        " alarma no pesan lo mismo.",
    ),
    "no_points": ("The models have no operating point in common.", "Los modelos no tienen ningún punto de operación en común."),
    "point": ("Point", "Punto"),
    "positives": ("Positive films", "Radiografías positivas"),
    "negatives": ("Negative films", "Radiografías negativas"),
    "moved": ("{up} up, {down} down of {n}", "{up} suben, {down} bajan de {n}"),
    "nri": ("NRI", "NRI"),
    "nri_positive": ("Gain in sensitivity", "Ganancia en sensibilidad"),
    "nri_negative": ("Gain in specificity", "Ganancia en especificidad"),
    "tests": ("Tests and agreement", "Pruebas y concordancia"),
    "tests_note": (
        "Descriptive: p is not corrected for the number of tests, and none of them decides.",
        "Descriptivo: p no está corregida por el número de pruebas, y ninguna de ellas decide.",
    ),
    "delong_plain": (
        "DeLong's test for two AUCs on the same films; every patient has one film, as it requires.",
        "Prueba de DeLong para dos AUC con las mismas radiografías; cada paciente tiene una, como la prueba exige.",
    ),
    "delong_clustered": (
        "DeLong's test requires one film a patient, and some here have several: its form for clustered data (Obuchowski 1997) is shown.",
        "La prueba de DeLong exige una radiografía por paciente, y aquí algunos tienen varias: se muestra su forma para datos "
        "agrupados (Obuchowski 1997).",
    ),
    "no_delong": (
        "No AUC can be tested: it needs films of two classes.",
        "No se puede comparar ninguna AUC: hacen falta radiografías de dos clases.",
    ),
    "p": ("p", "p"),
    "mcnemar": (
        "McNemar's exact test of equal accuracy: A alone is right on {a} films, B alone on {b}; p {p}.",
        "Prueba exacta de McNemar de igual exactitud: A acierta solo en {a} radiografías y B solo en {b}; p {p}.",
    ),
    "no_mcnemar": (
        "McNemar's test is not shown: it requires one film a patient, and some here have several. The interval over patients "
        "stands in its place.",
        "La prueba de McNemar no se muestra: exige una radiografía por paciente y aquí algunos tienen varias. En su lugar está "
        "el intervalo por pacientes.",
    ),
    "kappa": (
        "Agreement of the two models' answers, Cohen's kappa: {range} ({n}).",
        "Concordancia entre las respuestas de ambos modelos, kappa de Cohen: {range} ({n}).",
    ),
    "no_kappa": (
        "Cohen's kappa cannot be computed: each model gives the same answer to all films.",
        "La kappa de Cohen no se puede calcular: cada modelo da la misma respuesta a todas las radiografías.",
    ),
    "different": ("Films on which the answers differ most", "Radiografías en las que más difieren las respuestas"),
    "different_note": (
        "Distance: half the sum of the differences of the probabilities; 0 is the same answer, 1 the opposite.",
        "Distancia: la mitad de la suma de las diferencias de las probabilidades; 0 es la misma respuesta y 1 la opuesta.",
    ),
    "no_different": (
        "Both models give every film the same probabilities.",
        "Ambos modelos dan las mismas probabilidades a todas las radiografías.",
    ),
    "film": ("Film", "Radiografía"),
    "film_number": ("film {n}", "radiografía {n}"),
    "answer_a": ("A answers", "Responde A"),
    "answer_b": ("B answers", "Responde B"),
    "distance": ("Distance", "Distancia"),
    "problems": ("Films left out because they could not be read", "Radiografías excluidas por no poderse leer"),
    "reason": ("Reason", "Motivo"),
    "more": ("and {n} more, in the JSON file", "y {n} más, en el archivo JSON"),
    "reproduce": ("Reproduction", "Reproducción"),
    "hash_a": ("Model A, SHA-256", "Modelo A, SHA-256"),
    "hash_b": ("Model B, SHA-256", "Modelo B, SHA-256"),
    "hash_data": ("Data, SHA-256", "Datos, SHA-256"),
    "seed": ("Seed", "Semilla"),
    "versions": ("Versions", "Versiones"),
    "not_given": ("not given", "no se indicó"),
    "method": ("How the numbers were made", "Cómo se calcularon los números"),
    "method_text": (
        "95\u00a0% intervals of differences: bootstrap over patients, every draw of patients serving both models; where the "
        "models differ on fewer than 20 patients, the interval of Bonett and Price (2012) on the bootstrap's variance, and with"
        " fewer than six it always reaches zero; AUCs from few patients, the interval of Zou and Donner (2008). Patients "
        "needed: for a power of 80\u00a0% at 5\u00a0%, two-sided, from the spread seen. One score was named beforehand, so none"
        " is corrected for the others (ICH E9, 1998).",
        "Intervalos del 95\u00a0% de las diferencias: bootstrap por pacientes, con cada extracción al servicio de ambos "
        "modelos; si los modelos difieren en menos de 20 pacientes, el intervalo de Bonett y Price (2012) con la varianza del "
        "bootstrap, y con menos de seis siempre alcanza el cero; para AUC con pocos pacientes, el de Zou y Donner (2008). "
        "Pacientes necesarios: para una potencia del 80\u00a0% al 5\u00a0%, bilateral, según la dispersión observada. Se nombró"
        " un solo resultado de antemano, y por eso ninguno se corrige por los demás (ICH E9, 1998).",
    ),
}

LIMITS: dict[str, tuple[str, str]] = {
    "one_class": (
        "All films are of one class ({label}): a model that always answers it would seem perfect, so no model can be called "
        "better, and no AUC can be computed.",
        "Todas las radiografías son de una clase ({label}): un modelo que siempre la responda parecería perfecto, así que "
        "ninguno puede llamarse mejor y no se puede calcular ninguna AUC.",
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
        "Only {films} films of {patients} patients: the intervals are wide, and only a very large difference could be shown.",
        "Solo {films} radiografías de {patients} pacientes: los intervalos son amplios y solo podría mostrarse una diferencia muy grande.",
    ),
    "small_classes": (
        "Fewer than 20 films of {labels}: read these rows by their intervals only.",
        "Menos de 20 radiografías de {labels}: lea esas filas solo por sus intervalos.",
    ),
    "own_points": (
        "{n} operating points of {model} have no counterpart in the other model; they were not compared.",
        "{n} puntos de operación de {model} no tienen equivalente en el otro modelo; no se compararon.",
    ),
}
