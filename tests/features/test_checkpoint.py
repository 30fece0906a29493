from __future__ import annotations

import collections
import contextlib
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephealth.errors import ModelFileError
from deephealth.features.checkpoint import read_checkpoint

WEIGHTS = (
    "mobilenet_v2_0.35_224_imagenet/mobilenet_v2_0.35_224_notop_bn.pth",
    "mobilenet_v2_1.0_224_imagenet/mobilenet_v2_1.0_folded_fp32.pth",
)


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(key: str, count: int, shape: tuple, strides: tuple, offset: int = 0, storage: str = "FloatStorage") -> bytes:
    """The instructions that PyTorch writes for one tensor."""
    identity = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu") + number(count) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + number(offset) + numbers(shape) + numbers(strides) + b"\x89" + hooks + b"tR"


def dictionary(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def write(
    path: Path, body: bytes, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED, order: bytes = b"little"
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + body + b".")
        archive.writestr("archive/byteorder", order)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


VALUES = np.arange(12, dtype="<f4")


def test_tensors_of_several_types_and_strides(tmp_path: Path) -> None:
    bfloat = (np.array([1.5, -2.0], "<f4").view("<u4") >> 16).astype("<u2")
    body = dictionary(
        plain=tensor("0", 12, (3, 4), (4, 1)),
        turned=tensor("0", 12, (4, 3), (1, 4)),
        part=tensor("0", 12, (2,), (3,), offset=5),
        scalar=tensor("0", 12, (), (), offset=7),
        none=tensor("0", 12, (0, 4), (4, 1)),
        counts=tensor("1", 3, (3,), (1,), storage="LongStorage"),
        half=tensor("2", 2, (2,), (1,), storage="BFloat16Storage"),
    )
    storages = {"0": VALUES.tobytes(), "1": np.array([1, 2, 3], "<i8").tobytes(), "2": bfloat.tobytes()}
    found = read_checkpoint(write(tmp_path / "w.pth", body, storages))
    np.testing.assert_array_equal(found["plain"], VALUES.reshape(3, 4))
    np.testing.assert_array_equal(found["turned"], VALUES.reshape(3, 4).T)
    np.testing.assert_array_equal(found["part"], VALUES[[5, 8]])
    assert found["scalar"] == 7
    assert found["none"].shape == (0, 4)
    np.testing.assert_array_equal(found["counts"], [1, 2, 3])
    np.testing.assert_array_equal(found["half"], np.array([1.5, -2.0], np.float32))
    assert found["half"].dtype == np.float32


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_state_dict_inside_a_training_checkpoint(tmp_path: Path, key: str) -> None:
    body = dictionary(epoch=number(3), **{key: dictionary(w=tensor("0", 12, (12,), (1,)))})
    np.testing.assert_array_equal(read_checkpoint(write(tmp_path / "w.pth", body, {"0": VALUES.tobytes()}))["w"], VALUES)


class _Evil:
    def __reduce__(self):
        return (print, ("this must not be printed",))


REFUSED = {
    "a call of os.system": (b"cos\nsystem\n(" + text("true") + b"tR", "asks for os.system"),
    "another function of torch": (b"ctorch.hub\nload\n(" + text("x") + b"tR", "asks for torch.hub.load"),
    "a builtin by stack": (text("builtins") + text("eval") + b"\x93", "asks for builtins.eval"),
    "a class instantiated": (b"(ios\nsystem\n", "instruction INST"),
    "an extension": (b"\x82\x01", "instruction EXT1"),
    "a call of a storage": (b"ctorch\nFloatStorage\n)R", "calls something"),
    "a call of a dictionary": (b"})R", "calls something"),
    "an unknown storage": (tensor("0", 12, (12,), (1,), storage="ComplexFloatStorage"), "ComplexFloatStorage"),
    "an object's state": (text("x") + b"}b", "not a readable"),
    "a tensor past its storage": (dictionary(w=tensor("0", 12, (13,), (1,))), "not a readable"),
    "a tensor by strides past it": (dictionary(w=tensor("0", 12, (2, 2), (1, 11))), "not a readable"),
    "an offset past it": (dictionary(w=tensor("0", 12, (2,), (1,), offset=11)), "not a readable"),
    "a negative offset": (dictionary(w=tensor("0", 12, (2,), (1,), offset=-1)), "not a readable"),
    "a negative stride": (dictionary(w=tensor("0", 12, (2,), (-1,), offset=5)), "not a readable"),
    "a huge expansion": (dictionary(w=tensor("0", 12, (1 << 30, 1 << 30), (0, 0))), "not a readable"),
    "a storage of another length": (dictionary(w=tensor("0", 11, (11,), (1,))), "not a readable"),
    "a storage that is absent": (dictionary(w=tensor("7", 12, (12,), (1,))), "not a readable"),
    "no dictionary": (number(3), "holds no dictionary"),
    "a dictionary of numbers": (dictionary(a=number(3)), "holds no dictionary"),
    "an empty dictionary": (b"}", "holds no dictionary"),
    "an empty stack": (b"", "not a readable"),
    "an unset memo": (b"h\x05", "not a readable"),
    "a mark that is absent": (b"t", "not a readable"),
    "an unhashable key": (b"}]" + number(1) + b"s", "not a readable"),
    "half a string": (b"X\xff\xff\xff\x7fabc", "not a readable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_more_than_tensors_is_refused(case: str, tmp_path: Path) -> None:
    body, words = REFUSED[case]
    with pytest.raises(ModelFileError, match=words) as caught:
        read_checkpoint(write(tmp_path / "w.pth", body, {"0": VALUES.tobytes()}))
    assert "w.pth" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_real_pickle_is_never_run(tmp_path: Path, protocol: int, capsys: pytest.CaptureFixture[str]) -> None:
    body = pickle.dumps(collections.OrderedDict(w=_Evil()), protocol=protocol)
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", body)
    with pytest.raises(ModelFileError):
        read_checkpoint(path)
    assert capsys.readouterr().out == ""


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    good = write(tmp_path / "good.pth", dictionary(w=tensor("0", 12, (12,), (1,))), {"0": VALUES.tobytes()}).read_bytes()
    for name, data in {"empty": b"", "pickle": pickle.dumps({}), "cut": good[: len(good) // 2], "text": b"hello"}.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="not a readable"):
            read_checkpoint(path)
    with pytest.raises(ModelFileError, match="no weights file"):
        read_checkpoint(tmp_path / "absent.pth")


def test_compressed_members_and_other_byte_orders_are_refused(tmp_path: Path) -> None:
    body = dictionary(w=tensor("0", 12, (12,), (1,)))
    with pytest.raises(ModelFileError, match="compressed"):
        read_checkpoint(write(tmp_path / "c.pth", body, {"0": VALUES.tobytes()}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ModelFileError, match="big-endian"):
        read_checkpoint(write(tmp_path / "b.pth", body, {"0": VALUES.tobytes()}, order=b"big"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pickletools, on a damaged escape sequence
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_index_gives_tensors_or_the_one_error(tmp_path: Path, data: st.DataObject) -> None:
    body = bytearray(dictionary(a=tensor("0", 12, (3, 4), (4, 1)), b=tensor("0", 12, (12,), (1,))))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path / "w.pth", bytes(body), {"0": VALUES.tobytes()})
    with contextlib.suppress(ModelFileError):
        assert all(isinstance(value, np.ndarray) for value in read_checkpoint(path).values())


@pytest.mark.shared
@pytest.mark.parametrize("name", WEIGHTS)
def test_the_published_weights(shared: Path, name: str) -> None:
    state = read_checkpoint(shared / "weights" / name)
    assert sum(values.size for values in state.values()) == {WEIGHTS[0]: 410_208, WEIGHTS[1]: 3_489_097}[name]
    assert all(np.isfinite(values).all() and values.dtype == np.float32 for values in state.values())


@pytest.mark.shared
@pytest.mark.train
@pytest.mark.parametrize("name", WEIGHTS)
def test_the_published_weights_as_pytorch_reads_them(shared: Path, name: str) -> None:
    import torch

    path = shared / "weights" / name
    expected = torch.load(path, weights_only=True)
    found = read_checkpoint(path)
    assert list(found) == list(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values.numpy())


@pytest.mark.train
def test_a_checkpoint_written_by_pytorch(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))
    state = network.state_dict()
    state["turned"] = torch.randn(3, 5).T
    state["bfloat"] = torch.randn(4).to(torch.bfloat16)
    state["flags"] = torch.tensor([True, False])
    for name, what in {"bare": state, "whole": {"epoch": 3, "loss": 0.5, "best": None, "state_dict": state}}.items():
        torch.save(what, tmp_path / name)
        found = read_checkpoint(tmp_path / name)
        assert list(found) == list(state)
        for key, values in state.items():
            expected = values.float() if values.dtype == torch.bfloat16 else values
            np.testing.assert_array_equal(found[key], expected.numpy())
