"""What stands behind the scores: subgroups, other sets, the leakage gap, shortcuts, the gate, the data, and what was not done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from deephealth.evaluation.evidence import ExternalSet, Subgroup
from deephealth.evaluation.intervals import Interval
from deephealth.evaluation.report import plots
from deephealth.evaluation.report.first import gap_conclusion
from deephealth.evaluation.report.values import Parts, Values
from deephealth.evaluation.results import Evaluation, plain

_SCORES = ("accuracy", "balanced_accuracy", "macro_auc")


class Findings:
    """Rows and plots of the evidence as text; it holds no scores of its own."""

    def __init__(self, evaluation: Evaluation, values: Values) -> None:
        self.evaluation, self.values, self.words = evaluation, values, values.words
        self.evidence = evaluation.evidence

    # --- other films

    def subgroups(self) -> list[dict[str, Any]]:
        """Rows of the subgroups that are shown, in the order of their attributes."""
        shown = [item for item in self.evidence.subgroups if not item.hidden]
        return [{"attribute": self._attribute(item), "value": self._value(item), **self._row(item)} for item in shown]

    def hidden_subgroups(self) -> str:
        """The subgroups of fewer than 20 films, with their numbers, as text."""
        hidden = [item for item in self.evidence.subgroups if item.hidden]
        return "; ".join(f"{self._attribute(item)} {self._value(item)} ({self.words.count(item.n_films)})" for item in hidden)

    def _attribute(self, item: Subgroup) -> str:
        return self.values.named("attribute", item.attribute)

    def _value(self, item: Subgroup) -> str:
        return self.values.named("value", item.value or "unknown")

    def _row(self, item: Subgroup | ExternalSet) -> dict[str, Any]:
        return {
            "films": self.words.count(item.n_films),
            "patients": self.words.count(item.n_patients),
            "scores": [self.values.written(name, getattr(item, name)) for name in _SCORES],
        }

    def external(self) -> list[dict[str, Any]]:
        """Rows of the sets from elsewhere; the first is the set of this report, to compare with."""
        here = self.evaluation.scores
        own = {
            "name": self.words("this_set"),
            "films": self.words.count(here.n_films),
            "patients": self.words.count(here.n_patients),
            "scores": [self.values.written(name, getattr(here, name)) for name in _SCORES],
            "refused": None,
            "sha256": "",
            "notes": [],
        }
        return [own] + [
            {
                "name": item.name,
                "refused": self.values.share(item.refused),
                "sha256": item.sha256,
                "notes": [self.words.reason(note) for note in item.notes],
                **self._row(item),
            }
            for item in self.evidence.external
        ]

    def gap_rows(self) -> list[dict[str, Any]]:
        """The leakage gap of every score, with its conclusion."""
        gap = self.evidence.leakage_gap
        return [
            {
                "name": self.words(row.score),
                "parts": [self.values.written(row.score, row.by_film), self.values.written(row.score, row.by_patient)],
                "difference": self.values.difference(row.score, row.difference),
                "conclusion": self.words(gap_conclusion(row) + "_short"),
            }
            for row in (gap.rows if gap else ())
        ]

    def gap_head(self) -> str:
        """The kind of head that was cross-validated; what follows a comma (its strength) is no word."""
        kind, comma, rest = (self.evidence.leakage_gap.head if self.evidence.leakage_gap else "").partition(",")
        return self.values.named("head", kind) + comma + rest.replace(".", self.words.number(0.5, 1)[1])

    def label_matrix(self) -> list[tuple[str, list[str]]]:
        """Estimated films of each dataset label (row) by their probable label (column)."""
        found = self.evidence.label_errors
        rows = zip(self.evaluation.classes, found.joint, strict=False) if found else ()
        return [(label, [self.words.number(count, 0) for count in row]) for label, row in rows]

    # --- shortcuts

    def light_probes(self) -> list[dict[str, Any]]:
        """Rows of the light audit of the data."""
        return self._probe_rows((self.evaluation.context.audit or {}).get("results", []))

    def model_probes(self) -> list[dict[str, Any]]:
        """Rows of the audit with the model's own backbone."""
        return self._probe_rows(plain(self.evidence.model_audit.probes) if self.evidence.model_audit else [])

    def identity_probes(self) -> list[dict[str, Any]]:
        """Rows of the probes that guess where a film comes from."""
        return self._probe_rows(plain(self.evidence.model_audit.identity) if self.evidence.model_audit else [])

    def light_origins(self) -> list[dict[str, Any]]:
        """Rows of the light audit's probes that guess where a film comes from."""
        return self._probe_rows((self.evaluation.context.audit or {}).get("identity", []))

    def light_warnings(self) -> list[str]:
        """What else the light audit says, as sentences."""
        return [self.words.reason(str(text)) for text in (self.evaluation.context.audit or {}).get("warnings", [])]

    def _probe_rows(self, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "name": self._probe_name(str(result["name"])),
                "lung_free": result["lung_free"],
                "beats": result["beats_null"],
                "null": self._null(result),
                "p": self._p(result.get("p_value")),
                **self.values.decimal(Interval(**result["auc"])),
            }
            for result in results
        ]

    def _probe_name(self, name: str) -> str:
        """A probe's input in words; facts of the patient come as a list of attributes, "age, sex"."""
        known = self.values.named("probe", name)
        if known != name:
            return known
        facts = {part: self.values.named("attribute", part) for part in name.split(", ")}
        return ", ".join(part if word == part else word.lower() for part, word in facts.items())

    def _p(self, value: float | None) -> str:
        if value is None:
            return ""
        sign, shown = ("<", 0.001) if value < 0.001 else ("=", value)
        return self.words("probe_p", sign=sign, value=self.words.number(shown))

    def _null(self, result: Mapping[str, Any]) -> str:
        if result["null_mean"] is None or result["null_sd"] is None:
            return "–"
        return f"{self.words.number(result['null_mean'])} ± {self.words.number(result['null_sd'])}"

    def masked(self) -> list[dict[str, Any]]:
        """Rows of the model's answers to films of which a part is hidden, with a bar of the accuracy and where chance lies."""
        audit = self.evidence.model_audit
        return [
            {
                "name": self.values.named("masked", item.name),
                "accuracy": self.values.share(item.accuracy),
                "balanced": self.values.share(item.balanced_accuracy),
                "same": self.values.share(item.same_answer),
                "bar": self.values.bar(item.balanced_accuracy),
                "chance": self.words.percent(item.chance),
            }
            for item in (audit.masked if audit else ())
        ]

    def lung_energy(self) -> list[dict[str, Any]]:
        """Rows of the share of the heatmap that lies in the lungs, beside the lungs' share of the film."""
        audit = self.evidence.model_audit
        return [
            {"name": item.label or self.words("all_labels"), "inside": self.values.share(item.inside), "area": self.values.share(item.area)}
            for item in (audit.lung_energy if audit else ())
        ]

    def audit_facts(self) -> str:
        """How many films the model's audit rests on, whose masks, and how many were left out."""
        audit = self.evidence.model_audit
        if audit is None:
            return ""
        words = self.words
        size = words("n_of", films=words.count(audit.n_films), patients=words.count(audit.n_patients))
        masks = words("audit_masks", masks=self.values.named("masks", audit.masks)) if audit.masks else ""
        left = words("audit_left_out", n=words.count(audit.left_out)) if audit.left_out else ""
        return " ".join(part for part in (f"{size}.", masks, left) if part)

    # --- gate and data

    def gate(self) -> list[dict[str, Any]]:
        """Rows of the gate's two errors: chest films refused, other pictures let through."""
        rows = []
        for item in self.evidence.gate:
            error = item.refused if item.chest else _complement(item.refused)
            kind = "gate_refuses" if item.chest else "gate_lets_through"
            unread = self.words("gate_unread", n=self.words.count(item.unread)) if item.unread else ""
            name = self.values.named("gate", item.name)
            rows.append({"name": name, "note": unread, "error": self.words(kind), "rate": self.values.share(error)})
        return rows

    def sizes(self) -> list[dict[str, str]]:
        """Each class of the data set with its films, patients, share and sizes; without data facts, of the films scored."""
        data = self.evidence.data
        scored = {row.label: (row.n_films, row.n_patients) for row in self.evaluation.scores.classes}
        counts = {label: (data.films[label], data.patients.get(label, 0)) for label in data.films} if data else scored
        total = sum(films for films, _ in counts.values())
        rows = []
        for label, (films, patients) in counts.items():
            width, height = (self._range(sizes.get(label)) for sizes in (data.widths, data.heights)) if data else ("", "")
            share = self.words.percent(films / total) if total else "–"
            row = {"label": label, "films": self.words.count(films), "patients": self.words.count(patients), "share": share}
            rows.append({**row, "width": width, "height": height})
        return rows

    def _range(self, sizes: tuple[int, float, int] | None) -> str:
        if sizes is None:
            return "–"
        low, middle, high = sizes
        return self.words("median_range", middle=self.words.number(middle, 0), low=low, high=high)

    def attributes(self) -> list[dict[str, Any]]:
        """How often each value of an attribute occurs in each class: a table each."""
        found = []
        for item in self.evidence.data.attributes if self.evidence.data else ():
            columns = list(dict.fromkeys(label for counts in item.counts.values() for label in counts))
            rows = [
                (self.values.named("value", value or "unknown"), [self.words.count(counts.get(label, 0)) for label in columns])
                for value, counts in item.counts.items()
            ]
            found.append({"title": self.values.named("attribute", item.attribute), "columns": columns, "rows": rows})
        return found

    def patients_note(self) -> str:
        """How many films a patient has."""
        data = self.evidence.data
        if data is None:
            return ""
        median, most = data.films_per_patient
        return self.words("films_per_patient", median=f"{median:g}".replace(".", self.words.number(0.5, 1)[1]), most=self.words.count(most))

    # --- plots

    def probe_plot(self, which: str) -> str:
        """The dot plot of the probes of the "audit" of the data or of the "model"; "" without probes."""
        audit = self.evidence.model_audit
        results = (self.evaluation.context.audit or {}).get("results", []) if which == "audit" else plain(audit.probes) if audit else []
        names = [self._probe_name(str(result["name"])) for result in results]
        title = self.words("audit") if which == "audit" else self.words("model_audit")
        text = {"x": self.words("probe_auc"), "y": "", "title": title, "description": self._described(self._probe_rows(results))}
        return Markup(plots.probes(results, names, self._plot(f"{which}-probes", text))) if results else ""  # noqa: S704

    def _described(self, rows: Iterable[Mapping[str, Any]]) -> str:
        return "; ".join(f"{row['name']}: {row['value']} ({row['span']})" for row in rows)

    def forest(self, which: str) -> str:
        """The forest plot of the balanced accuracy of "subgroups" or "external" sets; "" without rows."""
        rows: list[tuple[str, Interval]] = []
        if which == "subgroups":
            shown = [item for item in self.evidence.subgroups if not item.hidden]
            rows = [(f"{self._attribute(item)}: {self._value(item)}", item.balanced_accuracy) for item in shown]
        elif self.evidence.external:
            rows = [(item.name, item.balanced_accuracy) for item in self.evidence.external]
        rows = [(name, score) for name, score in rows if score.value is not None]
        whole = self.evaluation.scores.balanced_accuracy
        text = {
            "x": self.words("balanced_accuracy"),
            "y": "",
            "title": self.words(which),
            "whole": self.words("this_set" if which == "external" else "all_films"),
            "description": "; ".join(f"{name}: {self._brief(score)}" for name, score in rows),
        }
        return Markup(plots.forest(rows, whole, self._plot(f"forest-{which}", text))) if rows else ""  # noqa: S704

    def _brief(self, score: Interval) -> str:
        parts: Parts = self.values.share(score)
        return f"{parts['value']} ({parts['span']})"

    def _plot(self, name: str, text: Mapping[str, str]) -> dict[str, str]:
        return {"name": name, "point": self.words.number(0.5, 1)[1], **text}

    # --- what was not done

    def absent(self) -> list[tuple[str, str]]:
        """Every part of the report that was not made: its title, and why or how to get it."""
        x, words = self.evidence, self.words
        gap, labels, audit = x.leakage_gap, x.label_errors, x.model_audit
        missing = {
            "leakage_gap": gap is None or not gap.rows,
            "model_audit": audit is None or not (audit.probes or audit.masked),
            "external": not x.external,
            "subgroups": not x.subgroups,
            "neighbours": not x.neighbours and bool(self.evaluation.errors),
            "label_errors": labels is None or bool(labels.reason),
            "risk": x.abstention is None,
            "conformal": x.abstention is not None and x.abstention.conformal is None,
            "gate": all(item.chest for item in x.gate),
        }
        parts = {"leakage_gap": gap, "model_audit": audit, "label_errors": labels}
        found = []
        for key, is_missing in missing.items():
            part = parts.get(key)
            reason = words.reason(part.reason) if part is not None and part.reason else words(f"absent_{key}")
            if is_missing:
                found.append((words(key), reason))
        return found


def _complement(share: Interval) -> Interval:
    """1 - share, whose lower end is 1 - the upper one."""
    value, low, high = (None if end is None else 1 - end for end in (share.value, share.high, share.low))
    return Interval(value, low, high, share.n_films, share.n_patients)
