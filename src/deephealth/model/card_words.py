"""The words of the model card, in English and Spanish. A test holds the two to the same keys and the same places to fill in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Words = Mapping[str, str]

_ENGLISH = {
    "disclaimer": (
        "**For research, education and model evaluation. Not a medical device; not for diagnosis, triage or treatment. Outputs are "
        "probabilities of dataset labels.**"
    ),
    "population": "Learned from",
    "what": "What it is",
    "what_text": (
        "One ONNX file that takes the pixels of a chest radiograph as they come and gives a probability for each dataset label, a "
        "map of where in the film the evidence lies, and how unlike its training films the film is."
    ),
    "labels": "Labels, in the order of the outputs",
    "input": "Input",
    "input_text": "`image`, {shape}, any size; resized to {size} x {size} inside the graph",
    "backbone": "Backbone",
    "backbone_licence": "Licence of the backbone",
    "head": "Head",
    "head_linear": "linear, softmax",
    "head_dense": "one hidden layer of {hidden} units with ReLU, softmax",
    "temperature": "Temperature (divides the logits)",
    "licence": "licence",
    "made_with": "Made with",
    "use": "Intended use",
    "use_text": (
        "Research, teaching, and the evaluation of models and data sets, on frontal chest radiographs like those it was trained on."
    ),
    "not_use": "Not to be used for",
    "not_use_text": (
        "Decisions about a patient: diagnosis, triage, treatment. A label is what the data set says of a film, not the cause of an "
        "illness. Films of other body parts, lateral views, other imaging methods, or patients unlike those in the data."
    ),
    "data": "Data",
    "films": "films",
    "patients": "patients",
    "left_out": "left out",
    "seen_text": (
        "The file carries perceptual hashes of {seen} films the backbone learned from and of {fitted} films the head was "
        "fitted or calibrated on; a score on any of those films says nothing."
    ),
    "leakage": "Leakage check",
    "shortcuts": "Shortcut audit",
    "allowed_leakage": "Leakage was found and training was told to go on: the scores below are too high.",
    "training": "Training",
    "split": "Split",
    "split_by": "kept together: all films of one {by}",
    "by_patient": "patient",
    "by_film": "film only, so one patient's films may be on both sides",
    "split_hash": "SHA-256 of the split",
    "seed": "seed",
    "fitted": "Head fitted on",
    "fitted_text": "{films} films, {views} view(s) of each",
    "commit": "Program's commit",
    "cost": "Cost of the training",
    "metrics": "Measured",
    "measured_on": "on",
    "metric": "metric",
    "estimate": "value (95 % interval)",
    "n_text": "{films} (patients: {patients})",
    "undefined": "undefined",
    "no_interval": "no interval",
    "points": "Operating points",
    "point": "name",
    "rule": "positive when",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "chosen_on": "chosen on",
    "split_validation": "validation",
    "points_text": "These figures flatter a little: they are of the films the points were chosen on.",
    "gate": "Not-a-chest-film gate",
    "gate_text": (
        "`novelty` is the film's distance from the training films in the space of the features; 1 is the training films' median. A "
        "film is refused when it is above {threshold}. The gate stops films that are unlike the training films; it does not prove "
        "that a film is fit."
    ),
    "gate_none": (
        "None: nothing is known of the films this model learned from, so no picture is refused, not even one that is no chest film. "
        "Judge every answer accordingly."
    ),
    "limits": "Limits",
    "limits_text": (
        "- The probabilities hold for films like the validation films; another hospital, age group or machine can change them.\n"
        "- The map shows where the evidence for a label lies in the model, not where a lesion lies in the patient."
    ),
    "reproduction": "Reproduction",
    "reproduction_text": (
        "Training seed {seed}. The file holds {goldens} golden films with the expected answers: `deephealth model verify` computes "
        "them again. The same films, settings, machine and thread count give the same file to the byte."
    ),
    "none": "not recorded",
}

_SPANISH = {
    "disclaimer": (
        "**Para investigación, docencia y evaluación de modelos. No es un producto sanitario; no sirve para diagnóstico, triaje ni "
        "tratamiento. Las salidas son probabilidades de etiquetas de un conjunto de datos.**"
    ),
    "population": "Aprendido de",
    "what": "Qué es",
    "what_text": (
        "Un solo archivo ONNX que recibe los píxeles de una radiografía de tórax tal como vienen y da una probabilidad para cada "
        "etiqueta del conjunto de datos, un mapa de dónde está la evidencia en la imagen y cuánto se aparta la imagen de las de "
        "entrenamiento."
    ),
    "labels": "Etiquetas, en el orden de las salidas",
    "input": "Entrada",
    "input_text": "`image`, {shape}, de cualquier tamaño; se reduce a {size} x {size} dentro del grafo",
    "backbone": "Red base",
    "backbone_licence": "Licencia de la red base",
    "head": "Cabeza",
    "head_linear": "lineal, softmax",
    "head_dense": "una capa oculta de {hidden} unidades con ReLU, softmax",
    "temperature": "Temperatura (divide los logits)",
    "licence": "licencia",
    "made_with": "Hecho con",
    "use": "Uso previsto",
    "use_text": (
        "Investigación, docencia y evaluación de modelos y conjuntos de datos, con radiografías frontales de tórax como las de "
        "entrenamiento."
    ),
    "not_use": "No debe usarse para",
    "not_use_text": (
        "Decisiones sobre un paciente: diagnóstico, triaje, tratamiento. Una etiqueta es lo que el conjunto de datos dice de una "
        "imagen, no la causa de una enfermedad. Imágenes de otras partes del cuerpo, proyecciones laterales, otras técnicas, o "
        "pacientes distintos de los del conjunto de datos."
    ),
    "data": "Datos",
    "films": "radiografías",
    "patients": "pacientes",
    "left_out": "excluidas",
    "seen_text": (
        "El archivo lleva huellas perceptuales de {seen} radiografías con las que aprendió la red base y de {fitted} con las "
        "que se ajustó o calibró la cabeza; un resultado sobre cualquiera de ellas no dice nada."
    ),
    "leakage": "Control de fugas",
    "shortcuts": "Auditoría de atajos",
    "allowed_leakage": "Se hallaron fugas y se ordenó seguir entrenando: los resultados de abajo son demasiado altos.",
    "training": "Entrenamiento",
    "split": "Partición",
    "split_by": "se mantienen juntas: todas las radiografías de un mismo {by}",
    "by_patient": "paciente",
    "by_film": "archivo solamente, así que las de un paciente pueden quedar en ambos lados",
    "split_hash": "SHA-256 de la partición",
    "seed": "semilla",
    "fitted": "Cabeza ajustada con",
    "fitted_text": "{films} radiografías, {views} vista(s) de cada una",
    "commit": "Revisión del programa",
    "cost": "Coste del entrenamiento",
    "metrics": "Medido",
    "measured_on": "en",
    "metric": "métrica",
    "estimate": "valor (intervalo del 95 %)",
    "n_text": "{films} (pacientes: {patients})",
    "undefined": "no definido",
    "no_interval": "sin intervalo",
    "points": "Puntos de operación",
    "point": "nombre",
    "rule": "positivo cuando",
    "sensitivity": "sensibilidad",
    "specificity": "especificidad",
    "chosen_on": "elegido en",
    "split_validation": "validación",
    "points_text": "Estas cifras son algo optimistas: son de las radiografías con las que se eligieron los puntos.",
    "gate": "Filtro de imágenes que no son radiografías de tórax",
    "gate_text": (
        "`novelty` es la distancia de la imagen a las de entrenamiento en el espacio de las características; 1 es la mediana de las"
        " de entrenamiento. Una imagen se rechaza cuando pasa de {threshold}. El filtro detiene imágenes distintas de las de "
        "entrenamiento; no prueba que una imagen sea adecuada."
    ),
    "gate_none": (
        "Ninguno: no se sabe nada de las imágenes con que se entrenó este modelo, así que no se rechaza ninguna, ni siquiera la que "
        "no es una radiografía de tórax. Júzguese cada respuesta en consecuencia."
    ),
    "limits": "Límites",
    "limits_text": (
        "- Las probabilidades valen para radiografías como las de validación; otro hospital, otra edad u otro equipo pueden "
        "cambiarlas.\n"
        "- El mapa muestra dónde está la evidencia de una etiqueta en el modelo, no dónde está una lesión en el paciente."
    ),
    "reproduction": "Reproducción",
    "reproduction_text": (
        "Semilla de entrenamiento {seed}. El archivo contiene {goldens} radiografías de referencia con las respuestas esperadas: "
        "`deephealth model verify` las calcula otra vez. Las mismas radiografías, ajustes, máquina y número de hilos dan el mismo "
        "archivo, byte a byte."
    ),
    "none": "no consta",
}

WORDS: Mapping[str, Words] = MappingProxyType({"en": MappingProxyType(_ENGLISH), "es": MappingProxyType(_SPANISH)})
