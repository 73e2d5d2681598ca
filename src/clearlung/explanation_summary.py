"""An explanation in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clearlung.explanation import Explanation
from clearlung.staging import Conflict, Difference, LesionExplanation, LimitGain

_UNITS = {"1": "", "%": " %", "week": " weeks"}


def explanation_lines(explanation: Explanation) -> list[str]:
    """Say everything that an explanation holds, a line each."""
    lines: list[str] = []
    for lesion in explanation.lesions:
        lines += _lesion_lines(lesion)
    if explanation.conflict is not None:
        lines += _conflict_lines(explanation.conflict)
    if explanation.gains:
        lines += ["One unit more of each limit:", *map(_gain_line, explanation.gains)]
    return lines


def _lesion_lines(told: LesionExplanation) -> list[str]:
    if told.operation is None:
        return [f"Lesion {told.lesion} is in no operation. {told.reason or 'It has no specimen.'}"]
    with_it = f", in one specimen with {_and(map(str, told.companions))}" if told.companions else ""
    lines = [f"Lesion {told.lesion} is in operation {told.operation} ({told.technique}{with_it})."]
    for use in told.uses:
        mark = "binds" if use.binds else "     "
        lobe = f" {use.lobe}" if use.lobe else ""
        lines.append(
            f"  {mark}  {use.limit}{lobe}: {_value(use.used, use.unit)},"
            f" {'at least' if use.limit.endswith('_min') else 'at most'} {_value(use.allowed, use.unit)}"
        )
    lines.append(
        "In the plan as it stands:" if told.places else "No other operation of the plan is on its lung."
    )
    for place in told.places:
        best = " (next best)" if place.operation == told.next_best else ""
        broken = _and(f"{use.limit} by {_value(-use.slack, use.unit)}" for use in place.broken)
        if place.how == "move":
            what = f"it fits as well; {_cost(place.cost)}"
        elif place.how == "exchange":
            what = (
                f"moved alone it breaks {broken}; exchanged for {_and(map(str, place.exchanged))} it fits;"
                f" {_cost(place.cost)}"
            )
        else:
            what = f"it breaks {broken}, and no exchange for one other specimen fits"
        lines.append(f"  operation {place.operation}{best}: {what}.")
    if told.resolved:
        lines.append("Solved anew, everything else free:")
    for answer in told.resolved:
        proof = "proven" if answer.proven else "not proven"
        what = f"{_cost(answer.cost)} ({proof})" if answer.possible else "no plan"
        lines.append(f"  {answer.condition}: {what}.")
    return lines


def _conflict_lines(conflict: Conflict) -> list[str]:
    most = conflict.wanted.operations_max
    wish = (
        "removes every lesion"
        if not conflict.wanted.lesions_left_max
        else (f"leaves {conflict.wanted.lesions_left_max} lesions at most")
    )
    wish += "" if most is None else f" in {most} operation{'s' * (most != 1)} at most"
    lines = [f"There is no plan that {wish}.", *(f"  {reason}" for reason in conflict.reasons)]
    sure = "proven" if conflict.proven else "not proven"
    if conflict.limits:
        lines.append(f"These limits exclude it together ({sure}); none can be spared:")
        lines += [f"  {name}" for name in conflict.limits]
    else:
        lines.append(f"No limit of the protocol excludes it: without any there is none either ({sure}).")
    lines.append("The smallest change of one limit alone that allows one:")
    for change in conflict.changes:
        proof = "" if change.proven else " (that less would not do is not proven)"
        if change.needed is None:
            what = "no change of it alone does" + ("" if change.proven else " (not proven)")
        else:
            now, then = _value(change.value, change.unit), _value(change.needed, change.unit)
            what = f"{then} in place of {now}{proof}"
        lines.append(f"  {change.limit}: {what}")
    return lines


def _gain_line(gain: LimitGain) -> str:
    head = f"  {gain.limit}: {_value(gain.value, gain.unit)} to {_value(gain.tried, gain.unit)}: "
    if not gain.goals:
        return head + "nothing"
    return head + _cost(gain.goals) + ("" if gain.proven else " (not proven)")


def _cost(cost: Sequence[Difference]) -> str:
    """Say how figures differ."""
    if not cost:
        return "no figure of the plan changes"
    return "; ".join(f"{d.name} {d.before:g} to {_value(d.after, d.unit)}" for d in cost)


def _value(value: float, unit: str) -> str:
    return f"{value:.4g}{_UNITS.get(unit, f' {unit}')}"


def _and(words: Iterable[str]) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}" if found else ""
