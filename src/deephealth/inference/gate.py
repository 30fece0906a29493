"""The gate before the answer: is this a film the model may be asked about at all?"""

from __future__ import annotations

from collections.abc import Sequence


def refusal(novelty: float, threshold: float | None, objections: Sequence[str] = ()) -> str:
    """Why a film is refused, in one sentence; "" when it is not.

    novelty: the model's distance of the film from its training films, 1 for their median; threshold: the model's `novelty_threshold`, None
    where nothing is known of its films and none is refused for it;
    objections: what the film's own tags say against it. A novelty that is not a number is refused.
    """
    if objections:
        reasons = "; ".join(objection.rstrip(".") for objection in objections)
        return f"By its own tags this is not a frontal chest film: {reasons}."
    if threshold is None or novelty <= threshold:
        return ""
    return (
        f"The film is unlike those the model was trained on (novelty {novelty:.3g}, the limit is {threshold:.3g}); "
        "it may not be a frontal chest film."
    )
