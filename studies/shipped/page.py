"""docs/shipped-model.md and docs/adult-films.md from what was measured: every figure with n and interval, every bar with whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]
ABSENT = "not measured yet"
_HEAD = """# The model that ships

**Children aged 1 to 5, one hospital, labels from a data set.** For research, education and model evaluation. Not a medical device; not for diagnosis,
triage or treatment. Films of adults and of other hospitals: see [adult-films.md](adult-films.md).

All scores are of films whose patients the asked model has never seen: five folds by patient over the 5,232 films of Kermany et al. (CC BY 4.0), near
copies together. The recipe, and two choices of how a network is settled, were made after looking at these folds, so the figures flatter a little
([which](decisions/033-settled-on-films-as-they-are.md)). The official test films are not at hand. Intervals are 95 %, over patients. Written by `python -m studies.shipped page` from
[shipped-model.json](shipped-model.json); made again, with the file itself, by `make model`.
"""


@dataclass(frozen=True)
class Bar:
    """Something that had to hold: where its figure lies in the results, and the bound on its value."""

    name: str
    path: tuple[str, ...]
    bound: float
    at_least: bool = True
    read: Callable[[Any], Any] = lambda found: found
    digits: int = 3

    def row(self, results: Results) -> str:
        """A row of the table: the bar, the figure, whether it holds."""
        found = look(results, *self.path)
        sign = "at least" if self.at_least else "at most"
        bound = f"{sign} {self.bound:.{self.digits}f}".rstrip("0").rstrip(".")
        if found is None:
            return f"| {self.name} | {bound} | {ABSENT} | |"
        figure = self.read(found)
        value = figure["value"] if isinstance(figure, Mapping) else figure
        return f"| {self.name} | {bound} | {shown(figure, self.digits)} | {self.verdict(value, figure)} |"

    def verdict(self, value: float, figure: Any) -> str:
        """In words. A figure whose interval holds the bound could be either."""
        holds = value >= self.bound if self.at_least else value <= self.bound
        crossed = isinstance(figure, Mapping) and (figure.get("low") or value) < self.bound < (figure.get("high") or value)
        return ("holds" if holds else "**does not hold**") + (", the interval reaches beyond" if crossed else "")


def _megabytes(count: float) -> float:
    return count / 1e6


def _points_lost(int8: Mapping[str, Any]) -> float:
    return 100 * float(int8["accuracy, fp32"]["value"] - int8["accuracy, int8"]["value"])


def _fall(parts: Mapping[str, Any]) -> float:
    return 100 * float(parts["whole film"]["accuracy"]["value"] - parts["only lungs"]["accuracy"]["value"])


def _above_majority(shipped: Mapping[str, Any]) -> float:
    return 100 * float(shipped["parts"]["without lungs"]["accuracy"]["value"] - shipped["majority"])


_SHIPPED = ("lungs", "shipped")
BARS = (
    Bar("three classes, accuracy", ("folds", "all", "accuracy"), 0.81),
    Bar("normal against pneumonia, AUC", ("folds", "all", "normal against pneumonia, AUC"), 0.992),
    Bar("bacterial against viral, AUC", ("folds", "all", "bacterial against viral, AUC"), 0.86),
    Bar("expected calibration error", ("folds", "all", "ECE"), 0.05, at_least=False),
    Bar("accuracy of the surest 60 %", ("folds", "surest", "60%"), 0.91),
    Bar("same answer, native film and 224 px copy", ("folds", "native"), 0.97),
    Bar("file, MB", ("file", "bytes"), 10, at_least=False, read=_megabytes, digits=1),
    Bar("file in int8, MB", ("file", "int8", "bytes"), 3, at_least=False, read=_megabytes, digits=1),
    Bar("accuracy lost in int8, points", ("file", "int8"), 1, at_least=False, read=_points_lost, digits=1),
    Bar("one film on one core, ms", ("file", "milliseconds", "median"), 40, at_least=False, digits=1),
    Bar("only lungs left: accuracy lost, points", (*_SHIPPED, "parts"), 5, at_least=False, read=_fall, digits=1),
    Bar("lungs hidden: accuracy above the majority class, points", _SHIPPED, 10, at_least=False, read=_above_majority, digits=1),
    Bar("only border left: balanced accuracy", (*_SHIPPED, "parts", "only border", "balanced accuracy"), 0.40, at_least=False),
    Bar("only corners left: balanced accuracy", (*_SHIPPED, "parts", "only corners", "balanced accuracy"), 0.40, at_least=False),
    Bar("positive evidence in the drawn lungs", (*_SHIPPED, "energy in the drawn lungs"), 0.75),
    Bar("answers changed by another frame", (*_SHIPPED, "answers changed by another frame"), 0.05, at_least=False),
    Bar("pictures that are no chest films, refused", ("gate", "no chest films"), 0.98),
    Bar("hands, refused", ("gate", "refused", "hands"), 0.98),
    Bar("children's films, passed", ("gate", "passed"), 0.97),
    Bar("heatmap's peak in the lesion, phantoms", ("heatmaps", "pointing game", "together", "in the lesion", "hits"), 0.85),
    Bar("questions on which our features beat ImageNet's", ("transfer", "won", "at every size"), 3, digits=0),
)


def render(results: Results) -> str:
    """docs/shipped-model.md."""
    sections = (
        _HEAD,
        "## What had to hold\n\n" + table(("what", "bar", "measured", ""), [bar.row(results) for bar in BARS], ready=True),
        "## Does it look at the lungs?\n\n" + "\n".join(_lungs(results)),
        "## What does the gate refuse?\n\n" + "\n".join(_gate(results)),
        "## How sure must it be?\n\n" + "\n".join(_surest(results)),
        "## Are the heatmaps right where it can be known?\n\n" + "\n".join(_heatmaps(results)),
        "## Do its features serve other questions?\n\n" + "\n".join(_transfer(results)),
        "## What was tried\n\n" + "\n".join(_tried(results)),
    )
    return "\n\n".join(section.strip() for section in sections) + "\n"


def look(results: Results, *path: str) -> Any:
    """What lies at a path in nested mappings; None where a step of it is absent."""
    found: Any = results
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def shown(figure: Any, digits: int = 3) -> str:
    """0.812 [0.790, 0.831], n = 5232 (3669 patients); a bare number where there is no interval."""
    if figure is None:
        return ABSENT
    if not isinstance(figure, Mapping):
        return f"{figure:.{digits}f}"
    if figure["value"] is None:
        return "undefined"
    text = f"{figure['value']:.{digits}f}"
    if figure.get("low") is not None:
        text += f" [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"
    if "films" in figure:
        text += f", n = {figure['films']} ({figure['patients']} patients)"
    return text


def table(head: Sequence[str], rows: Sequence[Any], *, ready: bool = False) -> str:
    """A Markdown table; `ready`: the rows are written already."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(rows if ready else ["| " + " | ".join(map(str, row)) + " |" for row in rows])])


def _lungs(results: Results) -> Iterator[str]:
    found = look(results, "lungs")
    if found is None:
        yield ABSENT
        return
    yield "Black where something is hidden; border and corners without the place where any film has lung. The naive model is the same network without"
    yield "augmentation and counter-examples, on the films of fold 0."
    yield ""
    names = list(found)
    parts = list(found["shipped"]["parts"])
    rows = [(part, *(shown(found[name]["parts"][part]["accuracy"]) for name in names)) for part in parts]
    for key in ("energy in the drawn lungs", "answers changed by another frame"):
        rows.append((key, *(shown(found[name][key]) for name in names)))
    yield table(("accuracy on", *names), rows)
    yield ""
    yield f"The most frequent class has {found['shipped']['majority']:.3f} of the films. `python -m studies.shipped lungs`"
    yield ""
    yield "![Accuracy with parts of the films hidden](images/shipped-parts.svg)"


def _gate(results: Results) -> Iterator[str]:
    found = look(results, "gate")
    if found is None:
        yield ABSENT
        return
    yield "![Share refused](images/shipped-gate.svg)"
    yield ""
    yield table(("pictures", "refused"), [(name, shown(figure)) for name, figure in found["refused"].items()])
    yield ""
    yield "Inverted, turned, shuffled and noise are kinds of picture that the network was shown while it learned; no hand, photograph or slice of a real"
    weakest = found["weakest kind"]
    least = (
        "None of the kinds that the bar counts lets one pass."
        if look(found, "refused", weakest, "value") == 1
        else f"Refused least: {weakest}."
    )
    yield f"body ever was. {least} It counts neither films upside down nor shuffled tiles. `python -m studies.shipped gate`"


def _surest(results: Results) -> Iterator[str]:
    found = look(results, "folds", "surest")
    if found is None:
        yield ABSENT
        return
    yield table(("films answered", "accuracy"), [(name, shown(figure)) for name, figure in found.items()])
    yield ""
    yield "`python -m studies.shipped folds`"


def _heatmaps(results: Results) -> Iterator[str]:
    game = look(results, "heatmaps", "pointing game")
    if game is None:
        yield ABSENT
        return
    rows = []
    for group in ("bacterial", "viral", "together"):
        for where, hits in (look(game, group) or {}).items():
            rows.append((group, where, shown(hits["hits"]), shown(hits["chance in the lungs"]), shown(hits["peaks of other films"])))
    yield table(("lesion", "peak", "hits", "a place in the lungs", "peaks of other films"), rows)
    areas = look(results, "heatmaps", "deletion and insertion", "areas") or {}
    if areas:
        orders = list(next(iter(areas.values())))
        yield ""
        yield table(("area under the curve", *orders), [(way, *(shown(each[order]) for order in orders)) for way, each in areas.items()])
    yield ""
    yield "A head for phantoms on the shipped backbone; deletion (lower is better) and insertion on 200 real films. `python -m studies.shipped heatmaps`"


def _transfer(results: Results) -> Iterator[str]:
    found = look(results, "transfer")
    if found is None:
        yield ABSENT
        return
    rows = []
    for name, task in found.items():
        for size, scores in (look(task, "sizes") or {}).items():
            means = [f"{scores[backbone]['value']:.3f}" for backbone in scores if backbone != "gain"]
            gain = scores["gain"]
            rows.append((name, task["metric"], size, *means, f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"))
    yield table(
        ("question", "metric", "films a class", "ours", "MobileNetV2 0.35", "MobileNetV2 1.0", "ours less the better of them"), rows
    )
    yield ""
    yield "Means of ten draws by patient; the last column is paired by draw. `python -m studies.shipped transfer`"


def _tried(results: Results) -> Iterator[str]:
    yield "What led here, with what did not help, stands in decisions [031](decisions/031-shipped-recipe.md), [032](decisions/032-imagenet-start.md), [033](decisions/033-settled-on-films-as-they-are.md)."
    found = look(results, "tried")
    if not found:
        return
    columns = list(found[0])
    yield ""
    yield "The shipped recipe and others on fold 0, one run each, so differences of a point or two may be chance. `python -m studies.shipped tried`"
    yield ""
    yield table(
        columns,
        [[shown(row.get(column)) if isinstance(row.get(column), float) else row.get(column, "") for column in columns] for row in found],
    )


def adult_films(results: Results) -> str:
    """docs/adult-films.md: can the model serve adults too, and why not."""
    lines = ["# Films of adults", ""]
    found = look(results, "adults")
    if found is None:
        return "\n".join([*lines, ABSENT, ""])
    told, seeming = found["which source"], found["shortcut"]
    lines += [
        _conclusion(found),
        "",
        table(
            ("telling the source from the frozen features", "balanced accuracy", "chance"),
            [(name, shown(row["balanced accuracy"]), f"{row['chance']:.2f}") for name, row in told.items()],
        ),
        "",
        f'In the adults\' films pooled, a head seems to tell "ill" with an AUC of {shown(seeming["head"])}; knowing the source alone gives '
        f"{shown(seeming['source alone'])}; inside the sources, where that is of no use, the head has {shown(seeming['inside sources'])}.",
        "",
        table(
            ("source left out", "AUC of a head of this source", "of a head of the others", "lost"),
            [(name, shown(row["inside"]), shown(row["left out"]), shown(row["lost"])) for name, row in found["left out"].items()],
        ),
        "",
        "What the model that ships does with them, without being asked to serve them:",
        "",
        table(
            ("source", "refused by the gate", "normal, answered as pneumonia", "ill, answered as pneumonia", "AUC"),
            [
                (name, *(shown(row["shipped"][key]) for key in ("refused", "false alarms", "sensitivity", "AUC")))
                for name, row in found["answers"].items()
            ],
        ),
        "",
        '"Ill" is pneumonia mined from reports (NIH), tuberculosis (Shenzhen, Montgomery) and COVID-19 (Hannover, which has no normal film).',
        "`python -m studies.shipped adults`",
    ]
    return "\n".join(lines) + "\n"


def _conclusion(found: Mapping[str, Any]) -> str:
    carried = [row["left out"]["value"] for row in found["left out"].values()]
    told = found["which source"]["adults, normal films"]["balanced accuracy"]["value"]
    if min(carried) >= 0.85 and told < 0.5:
        return "**Adults could be served**: what is learned in the other places is known in the one left out, and the features hardly tell places apart."
    return (
        f'**Adults are not served.** A head that has learned "ill" in the other places reaches an AUC of {min(carried):.2f} to {max(carried):.2f} in the '
        f"one left out, and even normal films tell their source ({told:.2f}): what it would learn is partly which hospital a film is from. The gate goes "
        "on refusing what is unlike the children's films, which is not all of them (below), and the card says so."
    )
