"""The command line: quick to answer, clear when wrong, and never a traceback for a user's mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deephealth.cli.main import build_parser, main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "deephealth", *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from deephealth.cli.main import build_parser; build_parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert not {"numpy", "onnx", "onnxruntime", "sklearn", "scipy", "matplotlib", "PIL", "pydicom", "torch"} & set(loaded)


def test_predict_imports_no_training() -> None:
    code = (
        "import sys; import deephealth.inference.predictor, deephealth.inference.batch, deephealth.images.archive, deephealth.cli.predict;"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert not {"onnx", "sklearn", "scipy", "matplotlib", "pydicom", "torch", "jinja2"} & set(loaded)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("phantom",),
        ("train", "films"),
        ("predict", "--threads", "0", "x"),
        ("evaluate",),
        ("evaluate", "model.onnx", "films", "--audit", "--audit-films", "1"),
        ("nonsense",),
        ("model", "show", "--lang", "fr"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("dataset", "summary", "nowhere"), 3, "nowhere"),
        (("train", "nowhere", "--out", "run"), 3, "nowhere"),
        (("evaluate", "nothing.onnx", "nowhere"), 3, "nothing.onnx"),
        (("train", "nowhere", "--out", "run", "--recipe", "none.toml"), 2, "none.toml"),
        (("predict", "--model", "nothing.onnx", "film.png"), 3, "nothing.onnx"),
        (("evaluate", "nothing.onnx", "nowhere", "--masks", "lungs"), 2, "--audit"),
    ],
)
def test_mistakes_give_one_sentence(arguments: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("deephealth: ")
    assert said in lines[0]


def test_a_setting_of_the_wrong_kind_is_named(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPHEALTH_MAX_PIXELS", "many")
    from PIL import Image

    Image.new("L", (64, 64)).save(tmp_path / "film.png")
    assert main(["predict", str(tmp_path / "film.png")]) == 2
    assert "DEEPHEALTH_MAX_PIXELS" in capsys.readouterr().err


def test_settings_and_cache_print_what_they_promise(capsys) -> None:
    assert main(["settings"]) == 0
    assert "DEEPHEALTH_CACHE_LIMIT_MB=2000" in capsys.readouterr().out
    assert main(["cache", "show"]) == 0
    assert main(["cache", "clear"]) == 0
    assert "MB freed" in capsys.readouterr().out


def test_every_command_has_help_and_long_ones_take_threads_quiet_and_seed() -> None:
    parsers = {}

    def collect(name: str, parser) -> None:
        parsers[name] = parser
        for action in parser._actions:
            if hasattr(action, "choices") and isinstance(action.choices, dict):
                for word, child in action.choices.items():
                    collect(f"{name} {word}".strip(), child)

    collect("", build_parser())
    for name in ("phantom", "train", "evaluate", "compare", "dataset audit", "dataset prepare"):
        options = {option for action in parsers[name]._actions for option in action.option_strings}
        assert {"--threads", "--quiet", "--seed"} <= options, name
    for name in ("predict", "dataset summary", "model verify", "lungs"):
        options = {option for action in parsers[name]._actions for option in action.option_strings}
        assert {"--threads", "--quiet"} <= options, name


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m deephealth --help | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_a_folder_of_good_and_bad_films(tmp_path: Path, capsys) -> None:
    """The good are answered, each bad one is named with its reason, and the exit code is 0; 3 when all are bad."""
    import numpy as np
    from PIL import Image

    from deephealth.images.phantom import draw_phantom

    films = tmp_path / "films"
    films.mkdir()
    Image.fromarray(draw_phantom("normal", seed=1).pixels).save(films / "good.png")
    (films / "empty.png").write_bytes(b"")
    (films / "letter.jpg").write_text("Dear doctor")
    (films / "cut.png").write_bytes((films / "good.png").read_bytes()[:2000])
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(films / "tiny.bmp")
    assert main(["predict", str(films), "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    answers = {answer["file"].split("/")[-1]: answer for answer in json.loads(captured.out)}
    assert len(answers) == 5
    assert abs(sum(answers["good.png"]["probabilities"].values()) - 1) < 1e-5
    for name in ("empty.png", "letter.jpg", "cut.png"):
        assert answers[name]["refused"]
        assert answers[name]["reason"]
        assert name in captured.err
    (films / "good.png").unlink()
    (films / "tiny.bmp").unlink()
    assert main(["predict", str(films), "--quiet"]) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "--csv", "films", "x"),
        ("predict", "--csv", "film.png", "x"),
        ("predict", "--csv", "film.png/answers.csv", "x"),
        ("predict", "--heatmap", "film.png", "x"),
        ("predict", "--heatmap", "", "x"),
        ("evaluate", "deephealth-small", "films", "--html", "film.png"),
        ("evaluate", "deephealth-small", "films", "--json", ""),
        ("dataset", "summary", "films", "--plot", "films"),
        ("dataset", "audit", "films", "--json", "film.png"),
    ],
)
def test_a_result_that_cannot_be_written_is_refused_before_the_work(arguments: tuple[str, ...], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    Path("film.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert Path("film.png").read_bytes() == b"\x89PNG\r\n\x1a\n"


def test_a_text_result_may_be_written_again(tmp_path: Path) -> None:
    answers = tmp_path / "answers.csv"
    answers.write_bytes("ñ".encode() * 2047 + b"a" + "ñ".encode())  # the last letter lies across the first 4,096 bytes
    assert build_parser().parse_args(["predict", "--csv", str(answers), "x"]).csv == answers


def test_heatmaps_do_not_replace_films(tmp_path: Path, capsys) -> None:
    (tmp_path / "film.png").write_bytes(b"the only copy")
    assert main(["predict", str(tmp_path), "--heatmap", str(tmp_path), "--quiet"]) == 2
    assert "among the films" in capsys.readouterr().err
    assert (tmp_path / "film.png").read_bytes() == b"the only copy"


def test_a_refusal_names_the_film_once(tmp_path: Path, capsys) -> None:
    assert main(["predict", str(tmp_path / "none.png"), "--quiet"]) == 3
    assert capsys.readouterr().err == "refused: none.png: does not exist, expected a film; check the path.\n"


@pytest.mark.parametrize(
    "options", [("--steps", "9"), ("--epochs", "9"), ("--architecture", "small-resnet"), ("--fine-tune", "--head", "dense")]
)
def test_an_option_that_would_do_nothing_is_refused(options: tuple[str, ...], tmp_path: Path, capsys) -> None:
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "run"), *options]) == 2
    assert "does nothing" in capsys.readouterr().err
