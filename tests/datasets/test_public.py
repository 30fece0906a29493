"""Public sets: fetched from a real server on this machine in each set's own layout, and opened with the right classes and patients."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from deephealth.cli.main import main
from deephealth.datasets.public import MARK, TABLE, fetch, public_sets
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.unpack import unpack
from deephealth.errors import InputError, UsageError
from deephealth.images.phantom import draw_phantom
from deephealth.settings import table as settings


def film(number: int, form: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(draw_phantom("normal", seed=9, patient=number, size=48).pixels).save(data, form)
    return data.getvalue()


def text(rows: list[dict[str, str]]) -> bytes:
    told = io.StringIO()
    writer = csv.DictWriter(told, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return told.getvalue().encode()


def kermany() -> dict[str, bytes]:
    found = {}
    for split in ("train", "test"):
        for number in range(3):
            found[f"chest_xray/{split}/NORMAL/NORMAL-10{number}{len(split)}-0001.jpeg"] = film(number, "JPEG")
            found[f"chest_xray/{split}/PNEUMONIA/BACTERIA-20{number}{len(split)}-0001.jpeg"] = film(10 + number, "JPEG")
            found[f"chest_xray/{split}/PNEUMONIA/VIRUS-30{number}{len(split)}-0001.jpeg"] = film(20 + number, "JPEG")
    return found | {"__MACOSX/chest_xray/._train": b"x", "chest_xray/.DS_Store": b"x"}


def covid() -> dict[str, bytes]:
    root = "covid-chestxray-dataset-master"
    findings = ("Pneumonia/Viral/COVID-19", "Pneumonia/Bacterial", "Pneumonia/Viral/COVID-19", "No Finding")
    rows = [
        {"patientid": str(n), "finding": finding, "view": "PA", "modality": "X-ray", "folder": "images", "filename": f"{n}.png", "sex": "F"}
        for n, finding in enumerate(findings)
    ]
    return {f"{root}/metadata.csv": text(rows), **{f"{root}/images/{n}.png": film(n) for n in range(4)}, f"{root}/setup.py": b"import os"}


def tuberculosis(root: str, start: str) -> dict[str, bytes]:
    return {f"{root}/CXR_png/{start}_000{n}_{n % 2}.png": film(n) for n in range(6)} | {f"{root}/CXR_png/Thumbs.db": b"x"}


def nih() -> dict[str, bytes]:
    findings = ("No Finding", "Pneumonia|Edema", "No Finding", "Effusion", "Pneumonia", "No Finding")
    rows = [
        {"Image Index": f"0000{n // 2}_00{n}.png", "Finding Labels": one, "Patient ID": str(n // 2), "View Position": "PA"}
        for n, one in enumerate(findings)
    ]
    return {"sample_labels.csv": text(rows), **{f"sample/images/0000{n // 2}_00{n}.png": film(n) for n in range(6)}}


def hannover() -> dict[str, bytes]:
    root = "covid-19-image-repository-master"
    rows = [{"patient_id": f"p{n // 2}", "image_id": f"i{n}", "sex": "f", "projection": "pa"} for n in range(4)]
    return {f"{root}/data.csv": text(rows), **{f"{root}/png/i{n}.png": film(n) for n in range(4)}}


SETS: dict[str, tuple[Callable[[], dict[str, bytes]], dict[str, int], int]] = {
    "kermany": (kermany, {"normal": 6, "bacterial": 6, "viral": 6}, 18),
    "covid-chestxray": (covid, {"covid-19": 2, "other": 2}, 4),
    "shenzhen": (lambda: tuberculosis("ChinaSet_AllFiles", "CHNCXR"), {"normal": 3, "tuberculosis": 3}, 6),
    "montgomery": (lambda: tuberculosis("MontgomerySet", "MCUCXR"), {"normal": 3, "tuberculosis": 3}, 6),
    "nih-sample": (nih, {"normal": 3, "pneumonia": 2}, 3),
    "hannover": (hannover, {"covid-19": 4}, 2),
}


@pytest.fixture
def published(serve_folder: tuple[Path, str], tmp_path: Path) -> tuple[Path, Path]:
    """A folder that is served, and the table that ships with its addresses led there."""
    served, address = serve_folder
    told = TABLE.read_text(encoding="utf-8")
    for chosen in public_sets().values():
        told = told.replace(f'address = "{chosen.address}"', f'address = "{address}/{chosen.file}"')
    (tmp_path / "sets.toml").write_text(told, encoding="utf-8")
    return served, tmp_path / "sets.toml"


def publish(served: Path, name: str, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(served / public_sets()[name].file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_set_is_fetched_and_opens(published: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    served, table = published
    make, classes, patients = SETS[name]
    publish(served, name, make())
    chosen = public_sets(table)[name]
    place = fetch(chosen, tmp_path / "out")
    index = open_dataset(place, layout=chosen.layout, fewest_classes=1)
    assert {label: sum(film.label == label for film in index.films) for label in index.classes} == classes
    assert len({film.patient for film in index.films}) == patients
    told = (tmp_path / "out" / "ABOUT.txt").read_text(encoding="utf-8")
    assert chosen.licence in told
    assert chosen.citation in told
    assert not list((tmp_path / "out").rglob("*.py")) + list((tmp_path / "out").rglob("._*"))
    assert not list(settings.cache_dir().rglob("*.zip"))  # the archive is not kept twice


def test_a_second_call_fetches_nothing_and_a_changed_archive_is_refused(published: tuple[Path, Path], tmp_path: Path) -> None:
    served, table = published
    publish(served, "montgomery", SETS["montgomery"][0]())
    chosen = public_sets(table)["montgomery"]
    first = fetch(chosen, tmp_path / "out")
    (served / chosen.file).unlink()
    assert fetch(chosen, tmp_path / "out") == first
    publish(served, "montgomery", SETS["montgomery"][0]() | {"MontgomerySet/CXR_png/MCUCXR_0009_1.png": film(99)})
    with pytest.raises(InputError, match="SHA256"):
        fetch(chosen, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_set_whose_publisher_has_changed_it_leaves_nothing(published: tuple[Path, Path], tmp_path: Path) -> None:
    served, table = published
    for name, members in (
        ("shenzhen", {"elsewhere/a.png": film(1)}),
        ("nih-sample", {"sample_labels.csv": b"a,b\n1,2\n", "a.png": film(1)}),
    ):
        publish(served, name, members)
        with pytest.raises(InputError, match="publisher may have changed it"):
            fetch(public_sets(table)[name], tmp_path / name)
        assert not (tmp_path / name).exists()
        assert not list(tmp_path.glob(".*.new"))


def test_a_folder_with_other_things_is_kept(published: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("kept")
    with pytest.raises(UsageError, match="not empty"):
        fetch(public_sets(published[1])["hannover"], tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "kept"


def test_the_command_line_shows_the_licence_and_asks(
    published: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served, table = published
    publish(served, "hannover", hannover())
    monkeypatch.chdir(tmp_path)
    command = ["dataset", "fetch", "hannover", "--table", str(table), "-q"]
    assert main(command) == 2
    told = capsys.readouterr()
    assert "CC BY 3.0" in told.out
    assert "not accepted" in told.err
    assert not (tmp_path / "hannover").exists()
    assert main([*command, "--accept-licence"]) == 0
    assert "deephealth train hannover/films.csv" in capsys.readouterr().out
    assert json.loads((tmp_path / "hannover" / MARK).read_text())["name"] == "hannover"
    assert main(["dataset", "fetch", "--list"]) == 0
    assert "not verified" in capsys.readouterr().out
    assert main(["dataset", "fetch", "kermani"]) == 2
    assert "the nearest is kermany" in capsys.readouterr().err


def test_a_table_with_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[mine]\ntitle = "x"\ncolour = "red"\n')
    with pytest.raises(UsageError, match="colour"):
        public_sets(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text("[mine\n")
    with pytest.raises(UsageError, match="cannot be used"):
        public_sets(tmp_path / "mine.toml")


def test_an_archive_that_leads_out_or_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("../out.png", "/abs.png", "a/../../b.png", "C:/x.png"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(InputError, match="names inside it"):
            unpack(tmp_path / "a.zip", tmp_path / "to")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(3_000_000))
    monkeypatch.setenv("DEEPHEALTH_MAX_ARCHIVE_MB", "2")
    with pytest.raises(InputError, match="unpacks to more"):
        unpack(tmp_path / "a.zip", tmp_path / "to")
    monkeypatch.delenv("DEEPHEALTH_MAX_ARCHIVE_MB")
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(tmp_path / "b.zip", tmp_path / "to")


def test_a_tar_is_unpacked_without_its_links(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("set/film.png")
        info.size = len(film(1))
        archive.addfile(info, io.BytesIO(film(1)))
        link = tarfile.TarInfo("set/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert unpack(tmp_path / "a.tar.gz", tmp_path / "to") == 1
    assert [path.name for path in (tmp_path / "to").rglob("*") if path.is_file()] == ["film.png"]


def test_every_row_of_the_table_says_what_a_user_must_know() -> None:
    for chosen in public_sets().values():
        assert chosen.address.startswith("https://")
        assert chosen.licence_url.startswith("https://")
        assert chosen.verified == bool(chosen.sha256)  # nothing is called verified whose digest is not known
        assert chosen.citation
    assert set(SETS) == set(public_sets())
