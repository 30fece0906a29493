"""Tensors of a PyTorch checkpoint, read without PyTorch and without running the pickle inside it.

A .pth file is a zip archive: `data.pkl` says which tensors there are, `data/0`, `data/1`, ... hold their numbers. Unpickling a file of
unknown origin can run any program, so the few instructions that a dictionary of tensors needs are interpreted here, one by one, and any
other instruction or name is refused. Format: PyTorch's serialization notes; opcodes: the standard library's pickletools.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephealth.errors import ModelFileError

_MAX_FILE = 1 << 30
_MAX_PICKLE = 16 << 20
_MAX_UNPACKED = 3 << 30  # storages and tensors together: members and tensors may overlap in a forged file
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_MARK = object()
_DAMAGED = (ValueError, IndexError, KeyError, TypeError, OverflowError)


@dataclass(frozen=True)
class _Name:
    """A name that the pickle asks for; it stays a name."""

    module: str
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    values: NDArray[Any]


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a .pth file by name, as numpy arrays (bfloat16 widened to float32).

    The file holds a dictionary of tensors, or a dictionary with one under "state_dict", "model" or "model_state_dict". Raises
    ModelFileError for anything that is not such a file, asks for more than tensors, or is over 1 GiB.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no weights file {path}; expected a .pth file; check the path.")
    if path.stat().st_size > _MAX_FILE:
        raise ModelFileError(f"{path.name} has {path.stat().st_size} bytes, expected at most {_MAX_FILE}; give a smaller weights file.")
    try:
        with zipfile.ZipFile(path) as archive:
            top = _interpret(*_open_pickle(archive))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, RecursionError, *_DAMAGED) as error:
        raise ModelFileError(
            f"{path.name} is not a readable PyTorch checkpoint, expected a zip made by torch.save; save it again."
        ) from error
    except _Refused as error:
        raise ModelFileError(f"{path.name} {error}, expected only tensors; save the model's state_dict() and give that file.") from None
    return _tensors(top, path.name)


class _Refused(Exception):
    """The checkpoint asks for something that a dictionary of tensors does not need."""


def _open_pickle(archive: zipfile.ZipFile) -> tuple[bytes, Callable[[str], bytes]]:
    """The instructions of `data.pkl`, and a reader of one storage's bytes by key."""
    members = {member.filename: member for member in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"{len(pickles)} data.pkl in the archive")
    root = pickles[0].removesuffix("data.pkl")
    # torch.save never compresses, so a compressed member could only be there to unpack into something huge.
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise _Refused("has compressed members")
    if members[pickles[0]].file_size > _MAX_PICKLE:
        raise _Refused("has an index over 16 MiB")
    if root + "byteorder" in members and archive.read(root + "byteorder") != b"little":
        raise _Refused("was written on a big-endian machine")
    return archive.read(pickles[0]), lambda key: archive.read(f"{root}data/{key}")


def _interpret(program: bytes, read_storage: Callable[[str], bytes]) -> Any:
    machine = _Machine(read_storage)
    for opcode, argument, _ in pickletools.genops(program):
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, argument)
    raise ValueError("no STOP")


class _Machine:
    """The stack, the memo and the storages of one pickle program."""

    def __init__(self, read_storage: Callable[[str], bytes]) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._read = read_storage
        self._storages: dict[str, _Storage] = {}
        self._unpacked = 0

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction; raises _Refused for one that is not needed to list tensors."""
        stack = self.stack
        if name in _PUSH_ARGUMENT:
            stack.append(argument)
        elif name in _PUSH_CONSTANT:
            stack.append(_PUSH_CONSTANT[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise _Refused(f"holds the pickle instruction {name}")

    def to_mark(self) -> list[Any]:
        """Everything pushed since the last mark, removed from the stack."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise IndexError("no mark")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def tuple_(self, _: Any) -> None:
        self.stack.append(tuple(self.to_mark()))

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._list().append(item)

    def appends(self, _: Any) -> None:
        items = self.to_mark()
        self._list().extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._dictionary()[key] = value

    def set_items(self, _: Any) -> None:
        items = self.to_mark()
        self._dictionary().update(zip(items[::2], items[1::2], strict=True))

    def _list(self) -> list[Any]:
        top = self.stack[-1]
        if not isinstance(top, list):
            raise TypeError("items added to something that is no list")
        return top

    def _dictionary(self) -> dict[Any, Any]:
        top = self.stack[-1]
        if not isinstance(top, dict):
            raise TypeError("items set on something that is no dictionary")
        return top

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_allowed(module, name))

    def stack_name(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_allowed(str(module), str(name)))

    def build(self, _: Any) -> None:
        # state_dict() carries the modules' versions as an attribute of the dictionary; nothing here needs them.
        self.stack.pop()
        self._dictionary()

    def storage(self, _: Any) -> None:
        kind, storage_type, key, _location, count = self.stack.pop()
        if kind != "storage" or not isinstance(storage_type, _Name) or storage_type.name not in _STORAGES:
            raise _Refused("holds a storage of unknown type")
        if key not in self._storages:
            values = np.frombuffer(self._read(str(key)), dtype=_STORAGES[storage_type.name])
            if len(values) != count:
                raise ValueError("storage of another length than stated")
            self._count(values)
            self._storages[key] = _Storage(storage_type.name, values)
        self.stack.append(self._storages[key])

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function == _Name("collections", "OrderedDict"):
            self.stack.append(dict(*arguments))
        elif function == _Name("torch._utils", "_rebuild_tensor_v2"):
            tensor = _tensor(*arguments[:4])
            self._count(tensor)
            self.stack.append(tensor)
        else:
            raise _Refused("calls something that makes no tensor")

    def _count(self, values: NDArray[Any]) -> None:
        self._unpacked += values.nbytes
        if self._unpacked > _MAX_UNPACKED:
            raise _Refused("unpacks into more than 3 GiB")


_PUSH_ARGUMENT = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_PUSH_CONSTANT: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, argument: None,
    "FRAME": lambda machine, argument: None,
    "TUPLE": _Machine.tuple_,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.reduce,
}


def _allowed(module: str, name: str) -> _Name:
    found = _Name(module, name)
    known = (_Name("collections", "OrderedDict"), _Name("torch._utils", "_rebuild_tensor_v2"))
    if found in known or (module == "torch" and name in _STORAGES):
        return found
    raise _Refused(f"asks for {module[:60]}.{name[:60]}")


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[Any]:
    """The view of a storage that a tensor is, copied; its last element must lie inside, and it may not be larger than the storage."""
    if not isinstance(storage, _Storage):
        raise TypeError("a tensor of something that is no storage")
    values = storage.values
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    fits = all(number >= 0 for number in (offset, *shape, *strides)) and int(np.prod(shape, dtype=object)) <= len(values)
    if not fits or (0 not in shape and last >= len(values)):
        raise ValueError("tensor outside its storage")
    steps = tuple(stride * values.itemsize for stride in strides)
    view = np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
    if storage.kind == "BFloat16Storage":
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view.copy()


def _tensors(top: Any, name: str) -> dict[str, NDArray[Any]]:
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(top, dict) and isinstance(top.get(key), dict):
            top = top[key]
    if not isinstance(top, dict) or not top or not all(isinstance(value, np.ndarray) for value in top.values()):
        raise ModelFileError(
            f"{name} holds no dictionary of tensors, expected a state_dict; save the model's state_dict() and give that file."
        )
    return {str(key): value for key, value in top.items()}
