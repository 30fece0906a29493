"""Why a file is refused as a model, in English (deephealth.model.file, model.record) and how that is said in Spanish.

The sentences begin with the file's name, or "The file" where the service says them.
"""

_NAME = r"(.+?)"

MODEL_REASONS: tuple[tuple[str, str], ...] = (
    (r"The (?:model )?file", r"El archivo"),
    (
        rf"{_NAME} is not a usable ONNX file \(.+\); give the path of a Deep Health model file, model\.onnx\.",
        r"\1 no es un ONNX utilizable (está incompleto o dañado); elija un modelo de Deep Health, model.onnx.",
    ),
    (
        rf"{_NAME} keeps weights in other files, which is refused; save it as one file\.",
        r"\1 guarda pesos en otros archivos y se rechaza; guárdelo como un solo archivo.",
    ),
    (
        rf"{_NAME} has (\d+) MB, more than the limit of (\d+) MB; use a smaller model\.",
        r"\1 ocupa \2 MB, más del límite de \3 MB; use un modelo menor.",
    ),
    (
        rf"{_NAME} is an ONNX file without a Deep Health record, so its labels are unknown; make one with `deephealth train`\.",
        r"\1 es un ONNX sin la ficha de Deep Health, así que no se conocen sus etiquetas; cree uno con `deephealth train`.",
    ),
    (
        rf"{_NAME} has no (.+) in its graph, expected input image and outputs (.+)\.",
        r"\1 no tiene \2 en su grafo; se esperaban la entrada image y las salidas \3.",
    ),
    (
        rf"{_NAME} has (\d+) labels but its output (\w+) is (\[.*\]), expected \d+ first; write it anew\.",
        r"\1 tiene \2 etiquetas y su salida \3 es \4; vuelva a crearlo.",
    ),
    (
        rf"{_NAME} is for (\d+) channels but its input is (\[.*\]); write it anew\.",
        r"\1 es para \2 canales y su entrada es \3; vuelva a crearlo.",
    ),
    (
        r"The model file's graph cannot be built \(.+\); get the file again\.",
        r"El grafo del modelo no se puede construir; consiga de nuevo el archivo.",
    ),
    (
        r"The model file is of version (\S+) and this is Deep Health (\S+), which reads up to version (\S+); install a newer one with: .+",
        r"El modelo es de la versión \1 y este Deep Health (\2) lee hasta la versión \3; instale uno más nuevo.",
    ),
)
