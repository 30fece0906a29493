"""Sentences on what stands behind the scores: (English, Spanish); {braces} are filled in."""

from __future__ import annotations

EVIDENCE: dict[str, tuple[str, str]] = {
    # the leakage gap
    "leakage_gap": ("Leakage gap", "Brecha por fuga de datos"),
    "gap_sentence": (
        "Split by film, the {score} of such a model would be {film}; by patient it is {patient}: a difference of {difference} ({size}, "
        "each film judged out of fold).",
        "Con partición por radiografía, un modelo así daría una {score} de {film}; por paciente, de {patient}: una diferencia de "
        "{difference} ({size}, cada radiografía juzgada fuera de su pliegue).",
    ),
    "gap_absent": (
        "how much a split by film would flatter was not measured.",
        "no se midió cuánto favorecería una partición por radiografía.",
    ),
    "gap_by_film": ("Split by film", "Por radiografía"),
    "gap_by_patient": ("Split by patient", "Por paciente"),
    "gap_difference": ("Difference", "Diferencia"),
    "gap_holds_zero": (
        "The interval of the difference holds zero: on these films no flattery by a split by film is shown.",
        "El intervalo de la diferencia contiene el cero: en estas radiografías no se demuestra que una partición por radiografía "
        "favorezca.",
    ),
    "gap_flatters": ("By so much a split by film would flatter.", "Tanto favorecería una partición por radiografía."),
    "gap_split_patient": ("The scores of this report are split by patient.", "Los resultados de este informe son por paciente."),
    "gap_split_film": (
        "The scores of this report are split by film: they flatter.",
        "Los resultados de este informe son por radiografía: favorecen.",
    ),
    "gap_reversed": (
        "The split by film scores lower here, which leakage does not explain: read it as chance or as a difference of the folds.",
        "La partición por radiografía sale aquí más baja, lo que la fuga no explica: léalo como azar o como diferencia entre pliegues.",
    ),
    "gap_holds_zero_short": ("holds zero", "contiene el cero"),
    "gap_flatters_short": ("a split by film flatters", "por radiografía favorece"),
    "gap_reversed_short": ("lower by film", "más baja por radiografía"),
    "gap_note": (
        "The same kind of head ({head}) on the same features, every film judged by a model that has not seen it, in {folds} folds: "
        "once dealt by film, once by patient ({size}).",
        "El mismo tipo de clasificador ({head}) sobre las mismas características; cada radiografía la juzga un modelo que no la ha "
        "visto, en {folds} pliegues: una vez repartidos por radiografía, otra por paciente ({size}).",
    ),
    "conclusion": ("Conclusion", "Conclusión"),
    "percentage_points": ("points", "puntos"),
    "to": ("to", "a"),
    # abstention
    "risk": ("When the least certain films go unanswered", "Si no se responde a las radiografías más dudosas"),
    "risk_note": (
        "The surest answers first. Risk: share of wrong answers among the films that are answered. Band: 95\u00a0% interval.",
        "Primero las respuestas más seguras. Riesgo: proporción de errores entre las radiografías respondidas. Banda: intervalo del "
        "95\u00a0%.",
    ),
    "risk_x": ("Coverage (share of films answered)", "Cobertura (proporción respondida)"),
    "risk_y": ("Risk (share of wrong answers)", "Riesgo (proporción de errores)"),
    "coverage": ("Films answered", "Respondidas"),
    "down_to": ("Lowest probability answered", "Menor probabilidad respondida"),
    "risk_short": ("Wrong among them", "Errores entre ellas"),
    "risk_area": ("Mean risk over all coverages (AURC)", "Riesgo medio en todas las coberturas (AURC)"),
    "conformal": ("Sets of labels", "Conjuntos de etiquetas"),
    "conformal_note": (
        "Instead of one answer, every label with a probability of at least {threshold}: such a set is promised to hold the dataset "
        "label of {level} of films (split conformal prediction).",
        "En lugar de una respuesta, toda etiqueta con probabilidad de al menos {threshold}: se promete que el conjunto contiene la "
        "etiqueta en el {level} de las radiografías (predicción conforme).",
    ),
    "conformal_valid": (
        "The promise is valid only for films like the calibration set.",
        "La promesa es válida solo para radiografías como las del conjunto de calibración.",
    ),
    "conformal_broken": (
        "Here it is not kept: the sets hold the label in fewer than {level} of these films, so these are unlike the calibration films.",
        "Aquí no se cumple: los conjuntos contienen la etiqueta en menos del {level} de estas radiografías, que difieren por tanto de "
        "las de calibración.",
    ),
    "conformal_covered": ("Sets that hold the label (promised: {level})", "Conjuntos que contienen la etiqueta (prometido: {level})"),
    "conformal_single": ("Sets with one label", "Conjuntos con una etiqueta"),
    "conformal_empty": ("Empty sets", "Conjuntos vacíos"),
    "conformal_size": ("Labels in a set, mean", "Etiquetas por conjunto, media"),
    # subgroups and other sets
    "subgroups": ("Subgroups", "Subgrupos"),
    "subgroups_note": (
        "The same answers, by what is known of the films. Wide intervals that overlap show no difference, and no equality either.",
        "Las mismas respuestas, según lo que se sabe de las radiografías. Intervalos amplios que se solapan no muestran diferencia, ni "
        "tampoco igualdad.",
    ),
    "subgroups_hidden": ("Not shown, fewer than 20 films: {names}.", "No se muestran, menos de 20 radiografías: {names}."),
    "subgroup": ("Subgroup", "Subgrupo"),
    "attribute_sex": ("Sex", "Sexo"),
    "attribute_age": ("Age", "Edad"),
    "attribute_view": ("Projection", "Proyección"),
    "attribute_source": ("Source", "Procedencia"),
    "attribute_split": ("Partition", "Partición"),
    "attribute_device": ("Device", "Equipo"),
    "value_unknown": ("not known", "no consta"),
    "value_F": ("female", "mujeres"),
    "value_M": ("male", "hombres"),
    "value_train": ("training", "entrenamiento"),
    "value_validation": ("validation", "validación"),
    "value_test": ("test", "prueba"),
    "value_LATERAL": ("lateral", "lateral"),
    "external": ("Films from elsewhere", "Radiografías de otra procedencia"),
    "external_note": (
        "One row for each set, never pooled. The answers are those of the same model with the same thresholds.",
        "Una fila por conjunto, nunca sumados. Las respuestas son del mismo modelo con los mismos umbrales.",
    ),
    "this_set": ("films of this report", "radiografías de este informe"),
    "data_set": ("Set", "Conjunto"),
    "gate_refused": ("Refused by the gate", "Rechazadas por el filtro"),
    # films
    "open_cell": (
        "{n} films labelled {truth}, answered {answer}: show them",
        "{n} radiografías con etiqueta {truth} y respuesta {answer}: mostrarlas",
    ),
    "cells_note": ("Choose a number to see its films.", "Elija un número para ver sus radiografías."),
    "cells_left_out": (
        "Pictures and names of films are left out of this report.",
        "Este informe no incluye imágenes ni nombres de radiografías.",
    ),
    "cell_title": ("Labelled {truth}, answered {answer}: {n}", "Etiqueta {truth}, respuesta {answer}: {n}"),
    "cell_film_alt": (
        "Film {name}: dataset label {truth}, answer {answer} with {value}",
        "Radiografía {name}: etiqueta {truth}, respuesta {answer} con {value}",
    ),
    "cell_rest": ("{n} more are not shown.", "No se muestran {n} más."),
    "close": ("Close", "Cerrar"),
    "surest": ("The surest", "Las más seguras"),
    "least_sure": ("The least sure", "Las más dudosas"),
    "no_picture": ("no picture", "sin imagen"),
    "neighbours": ("Nearest training films", "Radiografías de entrenamiento más parecidas"),
    "neighbours_of": ("Nearest training films", "De entrenamiento, las más parecidas"),
    "neighbour_alt": ("Training film {name}, dataset label {label}", "Radiografía de entrenamiento {name}, etiqueta {label}"),
    "similarity": ("similarity {value}", "semejanza {value}"),
    "similarity_note": (
        "Similarity: cosine between the model's features of the two films, 1 for the same film.",
        "Semejanza: coseno entre las características que el modelo ve en ambas, 1 para la misma radiografía.",
    ),
    "heatmap_note": (
        "Right: the places whose evidence speaks for the answer, on one scale for all films.",
        "Derecha: las zonas cuya evidencia apoya la respuesta, en una misma escala para todas.",
    ),
    "label_errors": ("Probable label errors", "Probables errores de etiqueta"),
    "label_errors_note": (
        "These are films to look at, not verdicts: models trained without them, and surer of another label, disagree with the data "
        "set. Hard films, and films in the style of another class, are flagged too. {found} of {films} films ({patients} patients) are "
        "flagged (confident learning: Northcutt, Jiang and Chuang 2021). Under each: its dataset label, then the suggested one, with "
        "the probabilities those models give.",
        "Son radiografías que conviene mirar, no veredictos: modelos entrenados sin ellas, y más seguros de otra etiqueta, discrepan "
        "del conjunto de datos. También se señalan las difíciles y las que parecen de otra clase por su estilo. Señaladas: {found} de "
        "{films} radiografías ({patients} pacientes; aprendizaje confiado: Northcutt, Jiang y Chuang 2021). Bajo cada una: su etiqueta "
        "y la propuesta, con las probabilidades que dan esos modelos.",
    ),
    "label_errors_none": (
        "No film is flagged among {total} (confident learning: Northcutt, Jiang and Chuang 2021).",
        "No se señala ninguna radiografía entre {total} (aprendizaje confiado: Northcutt, Jiang y Chuang 2021).",
    ),
    "label_errors_first": ("The first {n} are shown.", "Se muestran las primeras {n}."),
    "label_errors_more": ("{n} more", "{n} más"),
    "label_matrix": (
        "Estimated films of each dataset label (rows) by their probable label (columns)",
        "Radiografías estimadas de cada etiqueta (filas) según su etiqueta probable (columnas)",
    ),
    # the model's audit
    "model_audit": ("Shortcut audit of the model", "Auditoría de atajos del modelo"),
    "model_audit_note": (
        "Heads of the model's own kind, on its own backbone, trained and tested on parts of the films, by patient. Grey band: the same "
        "on shuffled labels (three standard deviations). Circles: inputs without lungs, which decide the verdict. Squares: inputs that "
        "depend on the lungs too.",
        "Clasificadores como el del modelo, sobre su misma red base, entrenados y evaluados con partes de las radiografías, por "
        "paciente. Banda gris: lo mismo con etiquetas barajadas (tres desviaciones típicas). Círculos: entradas sin pulmón, que "
        "deciden el veredicto. Cuadrados: entradas que dependen también de los pulmones.",
    ),
    "model_audit_sufficient_means": (
        "The model's own backbone tells the labels apart about as well without the lungs as with them. A high score may not come from "
        "the lungs.",
        "La red base del modelo distingue las etiquetas casi igual de bien sin los pulmones que con ellos. Un resultado alto puede no "
        "venir de los pulmones.",
    ),
    "model_audit_partial_means": (
        "The model's own backbone tells the labels apart better than chance without the lungs. Some of the score may not come from the "
        "lungs.",
        "La red base del modelo distingue las etiquetas mejor que el azar sin los pulmones. Parte del resultado puede no venir de los "
        "pulmones.",
    ),
    "model_audit_none_means": (
        "On parts without lungs the model's own backbone does no better than chance. Other shortcuts remain possible.",
        "Con partes sin pulmón, la red base del modelo no supera al azar. Otros atajos siguen siendo posibles.",
    ),
    "model_audit_unknown_means": ("It could not be made on these films.", "No se pudo hacer con estas radiografías."),
    "light_audit_says": ("The light audit of the data says: {sentence}.", "La auditoría ligera de los datos dice: {sentence}."),
    "probe_lungs blacked out": ("lungs blacked out", "pulmones en negro"),
    "probe_only lungs": ("only lungs", "solo pulmones"),
    "probe_bottom corners": ("bottom corners", "esquinas inferiores"),
    "probe_source": ("source of the film", "procedencia de la radiografía"),
    "probe_source name": ("name of the source", "nombre de la procedencia"),
    "probe_train or test": ("training or test", "entrenamiento o prueba"),
    "gate_test": ("test films of this model", "radiografías de prueba de este modelo"),
    "gate_inverted": ("films inverted (black for white)", "radiografías invertidas (negro por blanco)"),
    "gate_upside down": ("films upside down", "radiografías boca abajo"),
    "gate_blank": ("blank pictures", "imágenes de un solo gris"),
    "head_multinomial logistic regression": ("multinomial logistic regression", "regresión logística multinomial"),
    "identity": ("Can the origin of a film be guessed?", "¿Se puede adivinar de dónde viene una radiografía?"),
    "identity_note": (
        "The same kind of head, asked not for the label but for the source, or whether a film was for training or for test. A high "
        "value means that these films differ, and that the difference is there to be learned.",
        "El mismo tipo de clasificador, al que no se pregunta la etiqueta sino la procedencia, o si la radiografía era de "
        "entrenamiento o de prueba. Un valor alto significa que esas radiografías difieren y que la diferencia se puede aprender.",
    ),
    "masked": ("The finished model on films with a part hidden", "El modelo terminado ante radiografías con una parte oculta"),
    "masked_note": (
        "With the lungs hidden a model that reads lungs should fall to chance; with only the lungs it should lose little.",
        "Con los pulmones ocultos, un modelo que mira los pulmones debería caer al azar; solo con los pulmones, perder poco.",
    ),
    "masked_input": ("What the model sees", "Lo que ve el modelo"),
    "masked_same": ("Same answer as for the whole film", "Misma respuesta que con la imagen entera"),
    "masked_chance": ("Always the commonest label", "Siempre la etiqueta más frecuente"),
    "masked_whole film": ("whole film", "imagen entera"),
    "masked_only lungs": ("only lungs", "solo pulmones"),
    "masked_without lungs": ("without lungs", "sin pulmones"),
    "masked_only border": ("only border", "solo borde"),
    "masked_only corners": ("only corners", "solo esquinas"),
    "lung_energy": ("Where the heatmaps lie", "Dónde están los mapas de calor"),
    "lung_energy_note": (
        "Share of the evidence for the answer that lies in the lungs, beside the lungs' share of the film: evidence spread evenly "
        "would give the same for both.",
        "Proporción de la evidencia a favor de la respuesta que cae en los pulmones, junto a la parte de la imagen que ocupan: "
        "repartida por igual, ambas serían iguales.",
    ),
    "lung_inside": ("Evidence in the lungs", "Evidencia en los pulmones"),
    "lung_area": ("Lungs' share of the film", "Parte de la imagen con pulmón"),
    "all_labels": ("all films", "todas"),
    "audit_masks": ("Lungs: {masks}.", "Pulmones: {masks}."),
    "masks_given": ("masks that came with the data", "máscaras incluidas en los datos"),
    "masks_lung finder": ("found by the lung finder", "hallados por el localizador de pulmones"),
    "audit_left_out": ("Left out, no plausible lungs found: {n}.", "Excluidas por no hallarse pulmones verosímiles: {n}."),
    # gate
    "gate": ("The gate's two errors", "Los dos errores del filtro"),
    "gate_note": (
        "The gate refuses pictures unlike the training films. It errs when it refuses a chest film, and when it lets through a picture "
        "that is none, or a film inverted or upside down.",
        "El filtro rechaza imágenes distintas de las de entrenamiento. Yerra cuando rechaza una radiografía de tórax y cuando acepta "
        "una imagen que no lo es, o una radiografía invertida o boca abajo.",
    ),
    "gate_set": ("Pictures", "Imágenes"),
    "gate_error": ("Error", "Error"),
    "gate_rate": ("How often", "Frecuencia"),
    "gate_unread": ("{n} more could not be read", "{n} más no se pudieron leer"),
    "gate_refuses": ("refused, though a chest film", "rechazada, siendo de tórax"),
    "gate_lets_through": ("let through, though it should not be", "aceptada, sin deber serlo"),
    # data facts
    "width": ("Width, px", "Anchura, px"),
    "height": ("Height, px", "Altura, px"),
    "median_range": ("{middle} ({low}–{high})", "{middle} ({low}–{high})"),
    "whole_set": ("All films of the data set", "Todas las radiografías del conjunto"),
    "sizes_note": ("Sizes: median (lowest–highest).", "Tamaños: mediana (mínimo–máximo)."),
    "films_per_patient": (
        "Films a patient: median {median}, at most {most}.",
        "Radiografías por paciente: mediana {median}, máximo {most}.",
    ),
    "layout": ("Layout", "Organización"),
    # what was not done
    "absent": ("Not in this report", "Lo que no está en este informe"),
    "absent_leakage_gap": (
        "`deephealth train` measures it, on the films that it trains on.",
        "`deephealth train` la mide, con las radiografías con que entrena.",
    ),
    "absent_model_audit": (
        "Whether the model itself needs the lungs: `deephealth evaluate --audit` asks it.",
        "Si el propio modelo necesita los pulmones: `deephealth evaluate --audit` lo pregunta.",
    ),
    "absent_external": (
        "No film from elsewhere was scored: --external DIR adds a set, one row each.",
        "No se evaluó ninguna radiografía de otra procedencia: --external DIR añade un conjunto, una fila cada uno.",
    ),
    "absent_subgroups": (
        "These films differ in no sex, age, projection or source that is known.",
        "Estas radiografías no difieren en ningún sexo, edad, proyección o procedencia que conste.",
    ),
    "absent_neighbours": (
        "The training films nearest to each error: --training-films DIR shows them.",
        "Las radiografías de entrenamiento más parecidas a cada error: --training-films DIR las muestra.",
    ),
    "absent_label_errors": ("Not looked for.", "No se buscaron."),
    "absent_risk": ("There is no film to leave unanswered.", "No hay radiografías que dejar sin respuesta."),
    "absent_conformal": (
        "The model file holds no threshold for sets of labels: train it again with this version.",
        "El archivo del modelo no guarda umbral para conjuntos de etiquetas: entrénelo de nuevo con esta versión.",
    ),
    "absent_gate": (
        "How often the gate lets pictures through that are no chest films: --not-chest DIR measures it.",
        "Cuántas imágenes que no son de tórax deja pasar el filtro: --not-chest DIR lo mide.",
    ),
    # reproduction, checklists
    "contents": ("Contents", "Contenido"),
    "model_limits": ("Known limits of this model", "Límites conocidos de este modelo"),
    "command": ("Command", "Orden"),
    "licence": ("Licence of the model", "Licencia del modelo"),
    "film_only": (
        "The model's only input is the film's pixels; no name, age, sex or other fact of the patient enters it.",
        "La única entrada del modelo son los píxeles de la radiografía; no entra ningún nombre, edad, sexo ni otro dato del paciente.",
    ),
    "checklist": ("Reporting checklists", "Listas de comprobación"),
    "checklist_note": (
        "What this report fills of two reporting guidelines, judged by what it holds. Titles are ours; the guidelines' own text counts.",
        "Lo que este informe cubre de dos guías de publicación, según lo que contiene. Los títulos son nuestros; vale el texto de las "
        "guías.",
    ),
    "checklist_counts": (
        "{filled} filled, {partly} partly, {person} for a person to write",
        "{filled} cubiertos, {partly} en parte, {person} por escribir",
    ),
    "item": ("Item", "Punto"),
    "item_title": ("What it asks", "Qué pide"),
    "status": ("In this report", "En este informe"),
    "status_filled": ("filled", "cubierto"),
    "status_partly": ("partly", "en parte"),
    "status_person": ("for a person", "por escribir"),
    "see": ("see", "ver"),
}
