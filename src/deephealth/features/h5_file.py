"""A Keras `.h5` as its configuration and its weights, in a process of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from deephealth.errors import ModelFileError
from deephealth.settings import own_process

_LARGEST = 2**28
"""Values of one weight."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The configuration of `h5` as text, the names of its weights, and their values as `out`."""
    import h5py

    try:
        with h5py.File(request["h5"], "r") as file:
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
