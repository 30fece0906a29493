"""Exports: each format answers as the model file, says how far, refuses what it cannot hold, and leaves nothing half-written."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import jsonschema
import numpy as np
import onnx
import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.errors import MissingExtra, ModelFileError, ParityError, UsageError
from deephealth.features.graph import resize_film
from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_set import write_phantoms
from deephealth.model import typed
from deephealth.model.exports import exporting, films, onnx_formats
from deephealth.model.exports.artefact import Artefact, Source
from deephealth.model.exports.certificate import Certificate
from deephealth.model.exports.exporting import export_model, recheck
from deephealth.model.exports.formats import FORMATS
from deephealth.model.exports.network import network_of
from deephealth.model.exports.snippets import snippets
from deephealth.model.file import Model, shipped_model_path

MakeModel = Callable[..., Model]
TEMPLATES = Path(exporting.__file__).parent / "templates"
QUICK = ("onnx", "onnx-fixed", "onnx-fp16", "onnx-int8", "openvino")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [{}, {"standardise": True}, {"channels": 3, "dense": True}])
@pytest.mark.parametrize("to", ("onnx", "onnx-fixed", "onnx-fp16"))
def test_an_export_answers_as_the_model_file(make_model: MakeModel, tmp_path: Path, to: str, kind: dict[str, object]) -> None:
    model = make_model(**kind)
    certificate = export_model(model, to, tmp_path / "a.zip")
    assert certificate.films == exporting.FILMS
    assert certificate.largest_difference < (3e-3 if to == "onnx-fp16" else 1e-5)
    assert certificate.model_sha256 == model.sha256
    assert (certificate.resize == "inside") == (to == "onnx")
    again, largest, allowed = recheck(tmp_path / "a.zip")
    assert again == certificate
    assert largest <= allowed


@pytest.mark.slow
def test_a_zip_holds_all_that_its_user_needs_and_is_the_same_every_time(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    export_model(model, "onnx-fixed", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert {"model/model.onnx", "labels.txt", "interface.json", "certificate.json", "CARD.md", "LICENSE.txt"} <= set(members)
    assert {"snippets/predict.py", "snippets/predict.mjs", "snippets/Predict.java", "snippets/predict.cpp"} <= set(members)
    assert members["labels.txt"].decode() == "0 normal\n1 bacterial\n2 viral\n"
    told = json.loads(members["certificate.json"])
    jsonschema.validate(told, typed.schema(Certificate))
    assert set(told["largest"]) == set(model.labels)
    assert told["plain_resize"] > 0.001  # 50 films of 160 to 700 px squeezed to 32: without antialiasing something must change
    assert "Parity certificate" in members["CARD.md"].decode()
    for golden in json.loads(members["goldens/goldens.json"]):
        assert Image.open(io.BytesIO(members[f"goldens/{golden['film']}"])).size[0] > 0
    first = members.pop("certificate.json"), members.pop("CARD.md")  # these hold clock times
    export_model(model, "onnx-fixed", tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert {name: archive.read(name) for name in members} == members
    assert len(first) == 2


@pytest.mark.slow
def test_whole_numbers_lose_less_than_a_point_and_weigh_a_quarter(tmp_path: Path) -> None:
    model = Model.load(shipped_model_path())
    certificate = export_model(model, "onnx-int8", tmp_path / "a.zip")
    assert certificate.points_lost < 1
    assert certificate.films == exporting.FILMS_OF_WHOLE_NUMBERS
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        weights = onnx.load_from_string(archive.read("model/model.onnx")).graph.initializer
        kernels = [tensor for tensor in weights if len(tensor.dims) == 4]
        whole = sum(np.prod(tensor.dims) for tensor in kernels if tensor.data_type == onnx.TensorProto.INT8)
        assert whole > 0.9 * sum(np.prod(tensor.dims) for tensor in kernels)
        assert archive.getinfo("model/model.onnx").file_size < len(model.data) / 3


@pytest.mark.slow
def test_openvino_answers_too(make_model: MakeModel, tmp_path: Path) -> None:
    certificate = export_model(make_model(standardise=True), "openvino", tmp_path / "a.zip")
    assert certificate.runtime.startswith("openvino 20")
    assert certificate.largest_difference < 1e-4


@pytest.mark.slow
def test_accuracy_is_told_where_films_have_labels(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "films", per_class=6, seed=5, size=128)
    certificate = export_model(Model.load(shipped_model_path()), "onnx-fixed", tmp_path / "a.zip", films=tmp_path / "films")
    assert (certificate.film_source, certificate.films) == ("films", 18)
    assert certificate.accuracy == certificate.accuracy_before
    assert "accuracy" in certificate.sentence()


@pytest.mark.slow
def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(source: Source) -> Artefact:
        """As if an exporter had confused two channels of the head."""
        artefact = onnx_formats.fixed(source)
        model = onnx.load_from_string(artefact.files["model.onnx"])
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == "tail/weight1")
        weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight)[::-1].copy(), weight.name))
        return Artefact({"model.onnx": model.SerializeToString()}, artefact.interface)

    broken = dataclasses.replace(FORMATS["onnx-fixed"], write=wrong)
    monkeypatch.setattr(
        exporting, "FORMATS", MappingProxyType({"onnx-fixed": broken, "onnx-int8": dataclasses.replace(broken, precision="int8")})
    )
    for to, words in (("onnx-fixed", "differ by up to"), ("onnx-int8", "loses .* percentage points")):
        with pytest.raises(ParityError, match=words):
            export_model(make_model(), to, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_bad_requests_are_sentences(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    with pytest.raises(UsageError, match="onnx-int8"):
        export_model(model, "onnx-int9", tmp_path / "a.zip")
    (tmp_path / "there.zip").write_bytes(b"kept")
    with pytest.raises(UsageError, match="there already"):
        export_model(model, "onnx", tmp_path / "there.zip")
    assert (tmp_path / "there.zip").read_bytes() == b"kept"
    absent = dataclasses.replace(FORMATS["openvino"], needs=("no_such_package",))
    monkeypatch.setattr(exporting, "FORMATS", MappingProxyType({"openvino": absent}))
    with pytest.raises(MissingExtra, match=r"deephealth\[openvino\]"):
        export_model(model, "openvino", tmp_path / "b.zip")


def test_a_graph_of_another_hand_is_refused(tiny: object) -> None:
    with pytest.raises(ModelFileError, match="another form"):
        network_of(Model.load(tiny.model_bytes()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", ["no zip", "another artefact", "no certificate", "a bad certificate"])
def test_a_zip_that_was_changed_is_told(make_model: MakeModel, tmp_path: Path, damage: str) -> None:
    export_model(make_model(), "onnx", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if damage == "another artefact":
        members["model/model.onnx"] += b" "
    elif damage == "no certificate":
        del members["certificate.json"]
    elif damage == "a bad certificate":
        members["certificate.json"] = b'{"format": 3}'
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    if damage == "no zip":
        (tmp_path / "b.zip").write_bytes(b"PK not at all")
    with pytest.raises(ModelFileError):
        recheck(tmp_path / "b.zip")


def _unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("to", "channels"), [("onnx", 1), ("onnx", 3), ("onnx-fixed", 3), ("openvino", 1)])
def test_the_python_snippet_answers_as_the_model_file(make_model: MakeModel, tmp_path: Path, to: str, channels: int) -> None:
    model = make_model(channels=channels)
    export_model(model, to, tmp_path / "a.zip")
    folder = _unpacked(tmp_path / "a.zip", tmp_path / "files")
    film = draw_phantom("viral", seed=3, patient=1, size=300).pixels[:, :240]
    Image.fromarray(film).save(folder / "film.png")
    done = subprocess.run([sys.executable, "snippets/predict.py", "film.png"], cwd=folder, capture_output=True, text=True, check=True)
    shaped = film if channels == 1 else np.repeat(film[:, :, None], 3, axis=2)
    for label, expected in zip(model.labels, model.run(np.ascontiguousarray(shaped)).probabilities, strict=True):
        told = float(done.stdout.split(f"'{label}': ")[1].split(",")[0].split("}")[0])
        assert told == pytest.approx(float(expected), abs=1e-4)


def test_snippets_are_short_and_hold_no_placeholder() -> None:
    for form in FORMATS.values():
        interface = onnx_formats.Interface("f", 32, 1, ("a", 'b "quoted"'), film=form.name == "onnx")
        for name, text in snippets(form, interface).items():
            assert not re.search("@[A-Z_]+@", text), (form.name, name)
            assert len(text.splitlines()) <= 60, (form.name, name)
        if form.name in ("onnx", "onnx-fixed", "openvino", "litert"):
            assert {"predict.py", "predict.mjs", "Predict.java", "predict.cpp"} == set(snippets(form, interface))
        else:
            missing = {"predict.py", "predict.mjs", "Predict.java", "predict.cpp"} - set(snippets(form, interface))
            assert bool(missing) == ("OTHER_LANGUAGES.txt" in snippets(form, interface))


def test_films_of_a_folder_without_classes_have_no_labels(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(draw_phantom("normal", seed=1, patient=number, size=64).pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "note.png").write_bytes(b"no picture")
    found = films.of_folder(tmp_path, 10, 3)
    assert (len(found.pixels), found.labels, {film.shape[2] for film in found.pixels}) == (3, (), {3})


@pytest.mark.slow
def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.zip"
    assert main(["model", "formats"]) == 0
    assert set(QUICK) <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert main(["model", "export", "--to", "onnx-fixed", "--out", str(out), "-q"]) == 0
    assert "largest difference" in capsys.readouterr().out
    assert main(["model", "verify", str(out)]) == 0
    assert "it answers as certified" in capsys.readouterr().out
    assert main(["model", "export", "--to", "word", "--out", str(tmp_path / "b.zip")]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("language", ["C++", "Java", "JavaScript"])
def test_the_resize_of_the_snippets_is_the_model_files(tmp_path: Path, language: str) -> None:
    """The part of the programs that is ours, compiled and run: a film of 90 x 70 to a square of 32."""
    film = np.random.default_rng(0).integers(0, 256, (70, 90)).astype(np.uint8)
    (tmp_path / "film.txt").write_text(" ".join(map(str, film.ravel().tolist())))
    resize = {suffix: (TEMPLATES / f"resize.{suffix}.txt").read_text().replace("@SIZE@", "32") for suffix in ("cpp", "java", "js")}
    if language == "C++":
        source = (
            "#include <algorithm>\n#include <cmath>\n#include <cstdio>\n#include <vector>\n"
            + resize["cpp"]
            + (
                'int main() { std::vector<float> p(6300); for (auto& v : p) if (scanf("%f", &v) != 1) return 1;'
                'for (float v : square(p, 90, 70, 32)) printf("%.6f ", v); }'
            )
        )
        (tmp_path / "a.cpp").write_text(source)
        commands = [["g++", "-std=c++17", "-O1", "a.cpp", "-o", "a"], ["./a"]]
    elif language == "Java":
        main = (
            "public static void main(String[] a) { var s = new java.util.Scanner(System.in); float[] p = new float[6300];"
            'for (int i = 0; i < 6300; i++) p[i] = s.nextInt(); for (float v : square(p, 90, 70, 32)) System.out.print(v + " "); }'
        )
        (tmp_path / "A.java").write_text("public class A {\n" + resize["java"] + main + "}")
        commands = [["javac", "A.java"], ["java", "A"]]
    else:
        asked = 'import { readFileSync } from "node:fs"; const p = readFileSync(0, "utf8").split(" ").map(Number);'
        (tmp_path / "a.mjs").write_text(asked + resize["js"] + 'console.log(Array.from(square(p, 90, 70, 32)).join(" "));')
        commands = [["node", "a.mjs"]]
    if missing := [command[0] for command in commands if not command[0].startswith(".") and shutil.which(command[0]) is None]:
        pytest.skip(f"needs {missing[0]}, which is not on this machine")
    for command in commands:
        given = (tmp_path / "film.txt").read_text()
        done = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, text=True, check=True)
    found = np.array(done.stdout.split(), np.float64).reshape(32, 32)
    np.testing.assert_allclose(found, resize_film(film, 32), atol=2e-3)
