"""Write src/deephealth/data/keras_networks.json: the layers of the networks of keras.applications, as Keras builds and sorts them.

python tools/keras_architectures.py [--check]      needs deephealth[train] or deephealth[tensorflow]

The file holds no weights: with it, the official weights are turned into a backbone without Keras (docs/decisions/021-backbones-by-name.md).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parents[1] / "src" / "deephealth" / "data" / "keras_networks.json"
KEPT = {
    *("strides", "padding", "dilation_rate", "activation", "use_bias", "kernel_size", "depth_multiplier", "pool_size"),
    *("axis", "epsilon", "center", "scale", "offset", "max_value", "negative_slope", "threshold", "mean", "variance", "target_shape"),
}
DEFAULTS = {"dilation_rate": [1, 1], "activation": "linear", "negative_slope": 0.0, "threshold": 0.0, "center": True, "depth_multiplier": 1}
NETWORKS = {
    "inception_v3": ("InceptionV3", {}),
    "mobilenet": ("MobileNet", {}),
    "mobilenet_v2": ("MobileNetV2", {}),
    "mobilenet_v3_small": ("MobileNetV3Small", {}),
    "mobilenet_v3_large": ("MobileNetV3Large", {}),
    "densenet121": ("DenseNet121", {}),
    "efficientnet_v2_b0": ("EfficientNetV2B0", {}),
    "resnet50_v2": ("ResNet50V2", {}),
}


def layers_of(model: Any) -> list[list[Any]]:
    """Name, class, configuration and inputs of each layer, in the model's own order, which is the order of its weights in a file."""
    found = []
    for layer in model.operations:
        nodes = layer._inbound_nodes
        inputs = [tensor._keras_history.operation.name for tensor in nodes[0].input_tensors] if nodes else []
        if not hasattr(layer, "weights"):  # a bare sum or product with a number, as in MobileNetV3's gates
            (number,) = (value for value in nodes[0].arguments.args if isinstance(value, float))
            found.append([layer.name, "Rescaling", {"offset" if type(layer).__name__ == "Add" else "scale": number}, inputs])
            continue
        told = layer.get_config()
        config = {name: plain(told[name]) for name in sorted(KEPT & set(told)) if told[name] is not None}
        config = {name: value for name, value in config.items() if name not in DEFAULTS or DEFAULTS[name] != value}
        found.append([layer.name, type(layer).__name__, config, inputs])
    return found


def plain(value: Any) -> Any:
    """JSON's own types."""
    if isinstance(value, dict):
        return plain(value.get("config", value))
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, str | bool | int | float) or value is None else float(value)


def main() -> int:
    """Write the file, or with --check say whether it is current."""
    import keras

    told = {}
    for name, (network, settings) in NETWORKS.items():
        keras.utils.clear_session()
        model = getattr(keras.applications, network)(include_top=False, weights=None, input_shape=(224, 224, 3), **settings)
        told[name] = layers_of(model)
    text = "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(layers, separators=(',', ':'))}" for name, layers in told.items()) + "\n}\n"
    if "--check" in sys.argv:
        same = PLACE.read_text(encoding="utf-8") == text
        print("current" if same else f"{PLACE.name} is not what this Keras builds; write it again")
        return 0 if same else 1
    PLACE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
