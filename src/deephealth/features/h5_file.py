"""A Keras `.h5` as its configuration and its weights, in a process of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from deephealth.errors import ModelFileError
from deephealth.settings import own_process

_LARGEST = 2**28
"""Values of one weight."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The configuration of `h5` as text, the names of its weights, and their values as `out`.

    With `weights`, only weights, by layer and in the order in which Keras wrote the layers: a list of (layer, weight).
    """
    import h5py

    try:
        with h5py.File(request["h5"], "r") as file:
            if request.get("weights"):
                layers, values = _by_layer(file.get("model_weights", file), request["name"])
                np.savez(request["out"], *values)
                return {"names": layers}
            configuration = file.attrs.get("model_config")
            if configuration is None or "model_weights" not in file:
                raise ModelFileError(
                    f"{request['name']} holds no whole Keras model, expected one saved with model.save(); weights alone do not do."
                )
            names, values = _weights(file["model_weights"], h5py)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{request['name']} cannot be read as HDF5 ({str(error)[:80]}); get the file again.") from error
    np.savez(request["out"], *values)
    return {"configuration": configuration.decode() if isinstance(configuration, bytes) else str(configuration), "names": names}


def _by_layer(group: Any, name: str) -> tuple[list[tuple[str, str]], list[Any]]:
    """Weights in Keras's own order, which the file's attributes tell: by it they are read, since names count up from session to session."""
    if "layer_names" not in group.attrs and "layer_names0" not in group.attrs:
        raise ModelFileError(f"{name} does not say the order of its layers, expected weights as Keras saves them; get the file again.")
    names: list[tuple[str, str]] = []
    values: list[Any] = []
    for layer in _texts(group, "layer_names"):
        for path in _texts(group[layer], "weight_names"):
            data = group[layer][path]
            if data.size > _LARGEST:
                raise ModelFileError(f"The weight {path[:80]!r} has {data.size} values, expected at most {_LARGEST}; this is no such file.")
            names.append((layer, path.split(":", maxsplit=1)[0].rpartition("/")[2]))
            values.append(np.asarray(data[()], np.float32))
    return names, values


def _texts(group: Any, attribute: str) -> list[str]:
    """A list of names, which a long one is split over several attributes for."""
    parts = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    return [one.decode() if isinstance(one, bytes) else str(one) for part in parts for one in group.attrs[part]]


def _weights(group: Any, h5py: Any) -> tuple[list[str], list[Any]]:
    found: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and np.issubdtype(item.dtype, np.floating):
            if item.size > _LARGEST:
                raise ModelFileError(
                    f"The weight {name[:80]!r} has {item.size} values, expected at most {_LARGEST}; this is no such model."
                )
            found.append((name, np.asarray(item[()], np.float32)))

    group.visititems(visit)
    return [name for name, _ in found], [values for _, values in found]


if __name__ == "__main__":
    own_process.serve(answer)
