"""Every layout that films come in, from trees written here and from the real ones."""

from __future__ import annotations

import csv
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephealth.datasets.facts import scan_films
from deephealth.datasets.index import DatasetIndex, canonical_label
from deephealth.datasets.prepare import prepare
from deephealth.datasets.sources import open_dataset
from deephealth.datasets.sources.fields import age_of, frontal_view, patient_in_name, sex_of, split_of
from deephealth.errors import DatasetError, UsageError


def write(root: Path, *names: str, data: bytes = b"film") -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def table(root: Path, text: str, name: str = "index.csv", encoding: str = "utf-8") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding=encoding)
    return root


def reasons(index: DatasetIndex) -> dict[str, str]:
    return {problem.name: problem.reason for problem in index.problems}


# Class folders


def test_class_folders_any_depth(tmp_path: Path) -> None:
    write(tmp_path, "NORMAL/a.png", "bacteria/x/y/b.jpg", "Tuberculosis/c")
    index = open_dataset(tmp_path)
    assert index.layout == "folders"
    assert [(film.name, film.label) for film in index.films] == [
        ("NORMAL/a.png", "normal"),
        ("Tuberculosis/c", "Tuberculosis"),
        ("bacteria/x/y/b.jpg", "bacterial"),
    ]
    assert index.classes == ("normal", "bacterial", "Tuberculosis")
    assert all(film.path.is_absolute() and film.path.is_file() for film in index.films)


def test_hidden_and_side_files_are_no_films(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/b.png")
    write(tmp_path, "_masks/a.png", ".git/x", "normal/.DS_Store", "normal/Thumbs.db", "normal/notes.txt", "normal/_old/a.png", "readme.md")
    assert [film.name for film in open_dataset(tmp_path).films] == ["normal/a.png", "viral/b.png"]


def test_mask_folders_are_no_classes_and_empty_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/b.png", "lung_masks/a.png")
    (tmp_path / "bacterial").mkdir()
    index = open_dataset(tmp_path)
    assert index.classes == ("normal", "viral")
    assert "The folder lung_masks is taken for masks, not for a class." in index.notes
    assert "The folder bacterial holds no film." in index.notes


def test_two_folders_of_one_class_are_one_class(tmp_path: Path) -> None:
    write(tmp_path, "virus/a.png", "viral/a.png", "normal/a.png")
    assert open_dataset(tmp_path).by_label() == {"normal": 1, "viral": 2}


def test_films_without_patient_are_their_own_patient_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/a.png")
    index = open_dataset(tmp_path)
    assert [film.patient for film in index.films] == ["normal/a.png", "viral/a.png"]
    assert index.notes == (
        "2 films carry no patient: each is counted as its own patient, so films of one patient may fall into two splits.",
    )


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person1000_bacteria_2931.jpeg", "person1000_bacteria"),
        ("person1000_virus_1681.jpeg", "person1000_virus"),
        ("person1_virus_2_3.jpeg", "person1_virus"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0115-0001-0002.jpeg", "IM-0115"),
        ("NORMAL2-IM-1427-0001.jpeg", "NORMAL2-IM-1427"),
        ("BACTERIA-7422-0001.jpeg", "BACTERIA-7422"),
        ("00000150_002.png", "00000150"),
        ("MCUCXR_0001_0.png", "MCUCXR_0001"),
        ("CHNCXR_0327_1.png", "CHNCXR_0327"),
        ("viral-p0003-f2.png", "viral-p0003"),
    ],
)
def test_patients_in_names(name: str, patient: str) -> None:
    found = patient_in_name("some/folder/" + name)
    assert found is not None
    assert found[0] == patient


@pytest.mark.parametrize("name", ["a.png", "person.png", "person1.jpeg", "0001_01.png", "IM-0115.jpeg", "2020_001.png"])
def test_other_names_carry_no_patient(name: str) -> None:
    assert patient_in_name(name) is None


def test_a_loop_of_links_is_walked_once(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/b.png")
    (tmp_path / "normal" / "again").symlink_to(tmp_path / "normal")
    assert len(open_dataset(tmp_path).films) == 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no class folders"),
        (("a.png",), "no class folders"),
        (("normal/.x", "viral/.y"), "no film"),
        (("normal/a",), "one class, 'normal'"),
    ],
)
def test_unusable_folders(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    write(tmp_path, *names)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_absent_places_wrong_layouts_and_archives(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(UsageError, match="no layout 'zip'"):
        open_dataset(tmp_path, layout="zip")
    with pytest.raises(DatasetError, match="unpack an archive first"):
        open_dataset(write(tmp_path, "films.zip", data=b"PK\x03\x04\xff\xfe") / "films.zip")
    with pytest.raises(DatasetError, match="Not a directory"):
        open_dataset(table(tmp_path, "path,label\n") / "index.csv", layout="folders")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every folder")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/in/b.png")
    (tmp_path / "viral" / "in").chmod(0)
    try:
        with pytest.raises(DatasetError, match="Permission denied"):
            open_dataset(tmp_path)
    finally:
        (tmp_path / "viral" / "in").chmod(0o700)


FOLDER_NAMES = ("NORMAL", "no_pneumonia", "bacteria", "virus", "Viral Pneumonia", "Tuberculosis", "edema", "1 Bacterial")
TREES = st.dictionaries(
    st.sampled_from(FOLDER_NAMES),
    st.sets(st.from_regex(r"([a-z]{1,3}/)?[a-zA-Z0-9 -]{1,8}\.(png|jpeg|dcm)", fullmatch=True), min_size=1, max_size=5),
    min_size=1,
)


@given(tree=TREES, hidden=st.sets(st.sampled_from(["_masks/a.png", ".x/b.png", "edema/.c.png", "virus/Thumbs.db", "index.txt"])))
@settings(max_examples=40, deadline=None)
def test_a_tree_of_class_folders_indexes_to_what_was_written(tree: dict[str, set[str]], hidden: set[str]) -> None:
    expected = {f"{folder}/{name}": canonical_label(folder) for folder, names in tree.items() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder), *expected, *hidden)
        if len(set(expected.values())) < 2:
            with pytest.raises(DatasetError):
                open_dataset(root)
            return
        index = open_dataset(root)
        assert {film.name: film.label for film in index.films} == expected
        assert [film.name for film in index.films] == sorted(expected)
        assert open_dataset(root).sha256 == index.sha256


# train, val and test folders; the Kaggle layout


def test_split_folders_pool_train_and_val_and_keep_test(tmp_path: Path) -> None:
    write(tmp_path, "train/a/1.png", "val/a/2.png", "Test/a/3.png", "train/b/1.png")
    index = open_dataset(tmp_path)
    assert index.layout == "folders"
    assert {film.name: film.split for film in index.films} == {
        "train/a/1.png": "train",
        "val/a/2.png": "train",
        "Test/a/3.png": "test",
        "train/b/1.png": "train",
    }


def test_kaggle_layout_takes_the_kind_from_the_name_and_never_guesses(tmp_path: Path) -> None:
    write(
        tmp_path / "chest_xray",
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "val/PNEUMONIA/person1_virus_6.jpeg",
        "test/PNEUMONIA/person1_virus_7.jpeg",
        "test/PNEUMONIA/strange.jpeg",
        "test/PNEUMONIA/virus_or_bacteria.jpeg",
    )
    index = open_dataset(tmp_path)
    assert index.layout == "kaggle-pneumonia"
    assert index.root == tmp_path / "chest_xray"
    assert [(film.label, film.patient, film.split) for film in index.films] == [
        ("viral", "person1_virus", "test"),
        ("normal", "IM-0115", "train"),
        ("bacterial", "person1_bacteria", "train"),
        ("viral", "person1_virus", "train"),
    ]
    assert set(reasons(index)) == {"test/PNEUMONIA/strange.jpeg", "test/PNEUMONIA/virus_or_bacteria.jpeg"}


def test_pneumonia_folders_without_kinds_are_plain_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/NORMAL/a.png", "train/PNEUMONIA/b.png")
    index = open_dataset(tmp_path)
    assert (index.layout, index.classes) == ("folders", ("normal", "pneumonia"))


# CSV


def test_csv_in_the_folder_wins_over_the_folders(tmp_path: Path) -> None:
    write(tmp_path, "normal/a.png", "viral/b.png", "viral/unlisted.png")
    table(
        tmp_path,
        "path,label,patient,split,view,age,sex,source,origin,weight\n"
        "normal/a.png,NORMAL,p1,train,pa,4,f,Site A,,\nviral/b.png,virus,p1,val,AP,058Y,Male,Site B,normal/a.png,1.5\n",
    )
    index = open_dataset(tmp_path)
    first, second = index.films
    assert (index.layout, len(index.films), index.notes) == ("csv", 2, ())
    assert (first.label, first.patient, first.split, first.view, first.age, first.sex) == ("normal", "p1", "train", "PA", 4.0, "F")
    assert (second.label, second.split, second.age, second.sex) == ("viral", "validation", 58.0, "M")
    assert (second.source, second.origin, second.weight, first.weight) == ("Site B", "normal/a.png", 1.5, 1.0)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Path,Label\na.png,x\nb.png,y\n", "utf-8-sig"),
        ("LABEL;Image Path\nx;a.png\ny;b.png\n", "utf-8"),
        ("filename\tClass\r\na.png\tx\r\nb.png\ty\r\n", "utf-8"),
        ("file|finding|extra\na.png|x|1\nb.png|y\n\n", "utf-8"),
        ('"path","label"\n"./a.png"," x "\n"b.png","y"\n', "utf-8"),
    ],
)
def test_csv_dialects_and_column_names(tmp_path: Path, text: str, encoding: str) -> None:
    write(tmp_path, "a.png", "b.png")
    index = open_dataset(table(tmp_path, text, "list.csv", encoding) / "list.csv")
    assert [(film.name, film.label) for film in index.films] == [("a.png", "x"), ("b.png", "y")]


def test_csv_rows_that_cannot_be_used_are_problems(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png", "c.png", "d.png", "e.png", "f.png")
    rows = [
        "a.png,x,,",
        "b.png,y,,",
        "gone.png,y,,",
        "c.png,,,",
        ",x,,",
        "a.png,x,,",
        "d.png,x,,",
        "./d.png,y,,",
        "e.png,x,fold3,",
        "f.png,x,,-1",
    ]
    index = open_dataset(table(tmp_path, "path,label,split,weight\n" + "\n".join(rows)))
    assert [film.name for film in index.films] == ["a.png", "b.png"]
    assert reasons(index) == {
        "gone.png": "file not found",
        "c.png": "no label",
        "(a row)": "no path",
        "a.png": "listed more than once; the first row is used",
        "d.png": "listed more than once, with different labels",
        "e.png": "its split is none of train, validation, test",
        "f.png": "its weight is not a positive number",
    }


def test_csv_paths_may_lie_outside_unless_confined(tmp_path: Path) -> None:
    write(tmp_path, "else/a.png", "else/b.png", "set/c.png", "set/d.png")
    (tmp_path / "set" / "e.png").symlink_to(tmp_path / "else" / "a.png")
    rows = [f"{tmp_path}/else/a.png,x", "../else/b.png,y", "c.png,x", "../set/d.png,y", "e.png,x"]
    root = table(tmp_path / "set", "path,label\n" + "\n".join(rows))
    names = {film.name for film in open_dataset(root).films}
    assert names == {f"{tmp_path}/else/a.png", "../else/b.png", "c.png", "d.png", "e.png"}
    confined = open_dataset(root, confined=True)
    assert [film.name for film in confined.films] == ["c.png", "d.png"]
    assert set(reasons(confined).values()) == {"lies outside the data set's folder"}


def test_csv_paths_written_on_windows(tmp_path: Path) -> None:
    write(tmp_path, "in/a.png", "in/b.png")
    index = open_dataset(table(tmp_path, "path,label\nin\\a.png,x\nin\\b.png,y\n"))
    assert [film.name for film in index.films] == ["in/a.png", "in/b.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("path,patient\na,b\n", "add label"), ("x,y\n", "add path and label"), ("path,label\na.png,x\n", "1 left out: file not found")],
)
def test_unusable_csv(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_dataset(table(tmp_path, text, "list.csv") / "list.csv")


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_as_csv_give_an_index_or_one_sentence(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "list.csv", data=data) / "list.csv"
        with pytest.raises(DatasetError):
            open_dataset(path)
        path.write_bytes(b"path,label\n" + data)
        with pytest.raises(DatasetError):
            open_dataset(path)


# covid-chestxray


COVID_HEADER = "patientid,offset,sex,age,finding,view,modality,folder,filename,location\n"


def test_covid_metadata(tmp_path: Path) -> None:
    write(tmp_path, "images/a.jpg", "images/b.png.jpg", "images/c.png", "images/d.png", "images/e.png")
    rows = [
        '2,0,M,65,"COVID-19, ARDS",PA,X-ray,images,a.jpg,Hanoi',
        "3,0,F,,No Finding,AP Supine,X-ray,images,b.png,",
        "4,0,,,todo,PA,X-ray,images,c.png,",
        "5,0,,,SARS,L,X-ray,images,d.png,",
        "6,0,,,COVID-19,Axial,CT,images,e.png,",
        "7,0,,,COVID-19,PA,X-ray,images,gone.png,",
    ]
    index = open_dataset(table(tmp_path, COVID_HEADER + "\n".join(rows), "metadata.csv"))
    first, second = index.films
    assert index.layout == "covid-chestxray"
    assert (first.name, first.label, first.patient, first.view, first.age, first.sex, first.source) == (
        *("images/a.jpg", "covid-19", "2", "PA", 65.0, "M"),
        "Hanoi",
    )
    assert (second.name, second.label, second.patient, second.view, second.age) == ("images/b.png.jpg", "other", "3", "AP", None)
    assert reasons(index) == {
        "images/c.png": "no finding is stated",
        "images/d.png": "its view is not PA or AP",
        "images/e.png": "not an X-ray film",
        "images/gone.png": "file not found",
    }


def test_covid_layout_needs_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lacks the columns"):
        open_dataset(table(tmp_path, "finding,view\n", "metadata.csv"), layout="covid-chestxray")


# DICOM


def dicom(path: Path, **tags: str) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid(entropy_srcs=[str(path)])
    for keyword, value in {"Modality": "DX", "ViewPosition": "PA", **tags}.items():
        setattr(data, keyword, value)
    data.Rows = data.Columns = 8
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def test_dicom_tree(tmp_path: Path) -> None:
    dicom(tmp_path / "NORMAL/s1/IM1", PatientID="P1", PatientAge="058Y", PatientSex="F", BodyPartExamined="CHEST", InstitutionName="H")
    dicom(tmp_path / "virus/s2/IM1.dcm", PatientID="P2", PatientBirthDate="20000601", StudyDate="20200531", ViewPosition="AP")
    dicom(tmp_path / "virus/s2/IM2.dcm", ViewPosition="")
    dicom(tmp_path / "virus/s2/lateral.dcm", ViewPosition="LL")
    dicom(tmp_path / "virus/s2/ct.dcm", Modality="CT")
    dicom(tmp_path / "virus/s2/hip.dcm", BodyPartExamined="HIP")
    write(tmp_path, "virus/s2/z.dcm", data=b"\0" * 128 + b"DICM" + b"\xff" * 40)
    write(tmp_path, "virus/s2/z.png")
    index = open_dataset(tmp_path)
    assert index.layout == "dicom"
    assert [(film.name, film.label, film.patient, film.view, film.age, film.sex, film.source) for film in index.films] == [
        ("NORMAL/s1/IM1", "normal", "P1", "PA", 58.0, "F", "H"),
        ("virus/s2/IM1.dcm", "viral", "P2", "AP", 19.0, "", ""),
        ("virus/s2/IM2.dcm", "viral", "virus/s2/IM2.dcm", "", None, "", ""),
    ]
    assert reasons(index) == {
        "virus/s2/lateral.dcm": "its view is not PA or AP",
        "virus/s2/ct.dcm": "its modality is not CR, DX or RG",
        "virus/s2/hip.dcm": "its body part is not the chest",
        "virus/s2/z.dcm": "not a readable DICOM film",
        "virus/s2/z.png": "not a readable DICOM film",
    }


def test_folders_of_patients_are_no_classes(tmp_path: Path) -> None:
    for patient in ("P1", "P2", "P3"):
        dicom(tmp_path / patient / "a.dcm", PatientID=patient)
    with pytest.raises(DatasetError, match="holds one patient, so they are no classes"):
        open_dataset(tmp_path)


def test_dicom_files_at_the_top_are_no_classes(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm")
    with pytest.raises(DatasetError, match="holds no class folders; expected a folder per class"):
        open_dataset(tmp_path, layout="dicom")


# Cells


@pytest.mark.parametrize(
    ("text", "years"), [("65", 65.0), ("58.5", 58.5), ("058Y", 58.0), ("018M", 1.5), ("010W", 0.19), ("", None), ("x", None), ("999", None)]
)
def test_ages(text: str, years: float | None) -> None:
    assert age_of(text) == years


def test_views_sexes_and_splits() -> None:
    assert [frontal_view(text) for text in ("pa", "AP  Supine", "", "L", "?")] == ["PA", "AP", "", None, None]
    assert [sex_of(text) for text in ("m", "Female", "O", "")] == ["M", "F", "", ""]
    assert [split_of(text) for text in ("Training", "dev", "TEST", "", "fold1")] == ["train", "validation", "test", "", None]


# Real films


@pytest.mark.shared
def test_kermany(shared: Path) -> None:
    index = open_dataset(shared / "data/kermany")
    assert index.layout == "kaggle-pneumonia"
    assert index.by_label() == {"normal": 1341 + 8, "bacterial": 2530 + 8, "viral": 1345}
    assert (index.problems, {film.split for film in index.films}) == ((), {"train"})
    with open(shared / "data/kermany/index.csv", encoding="utf-8") as file:
        keys = {row["path"]: row["patient_key"] for row in csv.DictReader(file)}
    pairs = {(film.patient, keys[film.name]) for film in index.films}
    assert len(keys) == len(index.films)
    # One to one: the same partition of films into patients, whatever the patients are called.
    assert len(pairs) == len({mine for mine, _ in pairs}) == len({theirs for _, theirs in pairs})


@pytest.mark.shared
def test_covid_chestxray(shared: Path) -> None:
    index = open_dataset(shared / "data/cohen-covid-chestxray")
    assert index.layout == "covid-chestxray"
    assert index.by_label() == {"covid-19": 423, "other": 97}
    assert Counter(problem.reason for problem in index.problems) == {
        "no finding is stated": 101,
        "not an X-ray film": 84,
        "its view is not PA or AP": 46,
        "file not found": 7,
    }


@pytest.mark.shared
def test_nih_and_tuberculosis_names(shared: Path) -> None:
    nih = open_dataset(shared / "data/nih")
    assert (nih.classes, len(nih.films)) == (("normal", "pneumonia"), 517)
    assert len({film.patient for film in nih.films}) == 341
    tb = open_dataset(shared / "data/tb-shenzhen-montgomery", fewest_classes=1)
    assert (tb.classes, len(tb.films), len({film.patient for film in tb.films})) == (("cxr",), 704, 704)


@pytest.mark.shared
def test_one_class_of_films_is_an_external_set_only(shared: Path) -> None:
    with pytest.raises(DatasetError, match="All 123 films"):
        open_dataset(shared / "data/hannover-covid")
    assert len(open_dataset(shared / "data/hannover-covid", fewest_classes=1).films) == 123


@pytest.mark.shared
def test_real_dicom_tree_keeps_chest_films_only(shared: Path) -> None:
    index = open_dataset(shared / "data/dicom", layout="dicom", fewest_classes=1)
    assert index.by_label() == {"chest": 3}
    assert {film.view for film in index.films} == {"PA", ""}
    assert len(index.problems) == 8


def test_a_pipe_among_the_films_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "films" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "films" / "a" / "0.dcm")
    os.mkfifo(tmp_path / "films" / "index.csv")
    index = open_dataset(tmp_path / "films", fewest_classes=1)
    facts = scan_films(index)
    assert [problem.name for problem in facts.problems] == ["a/0.dcm"]
    with pytest.raises(DatasetError, match="not a readable DICOM film"):
        open_dataset(tmp_path / "films", layout="dicom")
    with pytest.raises(DatasetError, match="is not a file"):
        prepare(index, tmp_path / "out")
