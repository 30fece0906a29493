"""The shortcut audit of `deephealth dataset audit`: how often it is right on phantom sets with and without a planted shortcut; its time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.measure import Bar, Figure, Options
from deephealth.datasets.duplicates import shrink
from deephealth.datasets.facts import FilmFacts
from deephealth.evaluation.shortcuts.light import AuditReport, audit_shortcuts, find_lungs
from deephealth.images.phantom import CUES, LABELS, draw_phantom
from deephealth.settings import table

TITLE = "audit: verdicts of the shortcut audit on phantom sets, and its time for 5,000 films"
STRENGTHS = (0.3, 0.4, 0.475, 0.6, 1.0)
# From this strength the probe of the cue alone scores 0.65 and more (mean AUC; see the table).
LEAST = 0.4
_PROBE = {"corner-marker": "top corners", "border": "border", "size": "picture size"}
_SEEDS, _PER_CLASS, _SIDE = 20, 80, 96


@dataclass(frozen=True)
class _Row:
    cue: str
    strength: float
    verdict: str
    cue_auc: float | None  # of the probe of that cue
    balanced: float  # accuracy, balanced, of an ideal reader of the cue alone


def run(options: Options) -> Iterator[Figure]:
    """20 clean sets, and each of the three cues at five strengths on the same films; then the time of 5,000 thumbnails."""
    seeds, per_class = options.sized(_SEEDS, 1), options.sized(_PER_CLASS, 12)
    rows = [row for seed in range(seeds) for row in _verdicts(seed, per_class)]
    n = f"{seeds} sets of {3 * per_class} films, two a patient"
    clean = Counter(row.verdict for row in rows if not row.cue)
    yield Figure(
        "clean phantom sets on which the shortcut audit finds none",
        clean["none"], clean["none"], clean["none"], f"of {seeds}", n, "audit_shortcuts(facts, ...)",
        Bar("at least", 0.95 * seeds), table=_table(rows),
        notes=(f"Films of about {_SIDE} px; the balanced accuracy of the cue alone is s + (1 - s) / 3 at strength s.",),
    )  # fmt: skip
    for cue in CUES:
        for strength in (s for s in STRENGTHS if s >= LEAST):
            here = [row for row in rows if (row.cue, row.strength) == (cue, strength)]
            found = sum(row.verdict in ("sufficient", "partial") for row in here)
            yield Figure(
                f"sets with a planted {cue}, strength {strength:g}, on which it says sufficient or partial",
                found, found, found, f"of {seeds}", n, "audit_shortcuts(facts, ...)", Bar("at least", 0.95 * seeds),
            )  # fmt: skip
    yield _time(options)


def _verdicts(seed: int, per_class: int) -> list[_Row]:
    drawn = _drawn(seed, per_class)
    # The finder is asked once about each film, and its masks are mixed as the films are.
    lungs = {cue: find_lungs(facts) for cue, facts in drawn.items()}
    rows = [_row("", 0.0, _audit(drawn[""], lungs[""], seed))]
    for number, cue in enumerate(CUES, start=1):
        for strength in STRENGTHS:
            told = np.random.default_rng([seed, number, round(1000 * strength)]).random(3 * per_class) < strength
            masks = np.where(told[:, None, None], lungs[cue], lungs[""])
            rows.append(_row(cue, strength, _audit(_mixed(drawn[""], drawn[cue], told), masks, seed)))
    return rows


def _audit(facts: FilmFacts, lungs: np.ndarray, seed: int) -> AuditReport:
    n = len(facts.names) // 3
    labels, patients = np.repeat(np.arange(3), n), [f"{k}-{i // 2}" for k in range(3) for i in range(n)]
    return audit_shortcuts(facts, labels, patients, LABELS, lungs=lungs, seed=seed, draws=200)


def _row(cue: str, strength: float, found: AuditReport) -> _Row:
    return _Row(cue, strength, found.verdict, found.probes[_PROBE[cue]].value if cue else None, strength + (1 - strength) / 3)


def _mixed(clean: FilmFacts, cued: FilmFacts, told: np.ndarray) -> FilmFacts:
    """The set at a cue strength below 1: a film shows the cue where `told`, and is the clean film elsewhere, as `draw_phantom` draws it."""
    return replace(
        clean,
        thumbnails=np.where(told[:, None, None], cued.thumbnails, clean.thumbnails),
        width=np.where(told, cued.width, clean.width),
        height=np.where(told, cued.height, clean.height),
    )


def _drawn(seed: int, per_class: int) -> dict[str, FilmFacts]:
    """One set four times: clean, and with each cue on every film. Drawn once (a minute a set) and kept in the cache folder."""
    kept = table.cache_dir() / "benchmarks" / f"audit-{_SIDE}px-{per_class}-a-class-seed-{seed}.npz"
    if not kept.is_file():
        _draw(kept, seed, per_class)
    with np.load(kept) as found:
        thumbs, sizes = found["thumbs"], found["sizes"]
    return {cue: _facts(thumbs[k], sizes[k]) for k, cue in enumerate(("", *CUES))}


def _draw(path: Path, seed: int, per_class: int) -> None:
    films = [
        draw_phantom(label, seed=seed, patient=1000 * k + i // 2, film=i % 2, size=_SIDE, cue=cue).pixels
        for cue in (None, *CUES)
        for k, label in enumerate(LABELS)
        for i in range(per_class)
    ]
    n = 3 * per_class
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        thumbs=np.array([shrink(film) for film in films]).reshape(4, n, 64, 64),
        sizes=np.array([f.shape for f in films]).reshape(4, n, 2),
    )


def _facts(thumbnails: np.ndarray, sizes: np.ndarray) -> FilmFacts:
    n = len(thumbnails)
    return FilmFacts(
        names=tuple(map(str, range(n))),
        sha256=tuple(f"{i:064x}" for i in range(n)),
        width=sizes[:, 1].astype(np.int32),
        height=sizes[:, 0].astype(np.int32),
        file_bytes=np.full(n, 1000, dtype=np.int64),
        thumbnails=thumbnails,
        phash=np.zeros((n, 32), dtype=np.uint8),
    )


def _table(rows: Sequence[_Row]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [
        ("cue", "strength", "cue alone: balanced accuracy", "its probe: mean AUC", "sufficient", "partial", "none")
    ]
    for cue, strength in dict.fromkeys((row.cue, row.strength) for row in rows):
        here = [row for row in rows if (row.cue, row.strength) == (cue, strength)]
        counts = Counter(row.verdict for row in here)
        auc = "-" if not cue else f"{np.mean([row.cue_auc for row in here if row.cue_auc is not None]):.2f}"
        verdicts = [str(counts[name]) for name in ("sufficient", "partial", "none")]
        found.append((cue or "clean", f"{strength:g}" if cue else "-", f"{here[0].balanced:.2f}" if cue else "-", auc, *verdicts))
    return found


def _time(options: Options) -> Figure:
    n = options.sized(5000, 60)
    drawn = _drawn(0, options.sized(_PER_CLASS, 12))[""]
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(drawn.names), n)
    noisy = drawn.thumbnails[rows] + rng.normal(0, 4, (n, 64, 64))
    facts = _facts(noisy.clip(0, 255).astype(np.uint8), np.stack([drawn.height[rows], drawn.width[rows]], axis=1))
    labels = rows * 3 // len(drawn.names)
    start, cpu = time.perf_counter(), time.process_time()
    audit_shortcuts(facts, labels, [str(i // 2) for i in range(n)], LABELS)
    clock, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Figure(
        f"time of the light audit of {n} thumbnails, lung finder included",
        clock, clock, clock, "s", "1 run", "audit_shortcuts(facts, ...)", Bar("at most", 60.0),
        notes=(f"Processor time {cpu:.1f} s.", "Thumbnails of 240 phantoms, each several times with noise; decoding films is not counted."),
    )  # fmt: skip
