"""`StagingProblem`: everything that decides a plan, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.errors import CaseError
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.perfusion import Benefit, OccultBurden, Regimen, find_target
from clearlung.resection import FunctionModel, Loss, OperationModel, PatientFunction, SpecimenSet, operated
from clearlung.staging.assignment import Assignment, check_lesions
from clearlung.staging.estimates import Basis, Estimates
from clearlung.staging.least_operations import LeastOperations
from clearlung.staging.plan import MeasuredFunction
from clearlung.staging.protocol import Protocol
from clearlung.staging.targets import function_shares, named_targets, perfused_share
from clearlung.staging.unseen import Unseen

ACCESS_EVIDENCE = "time.access"
PERFUSION_EVIDENCE = "time.perfusion"
REENTRY_EVIDENCE = "time.reentry"
PLACEMENT_EVIDENCE = "regimen.placement"

_UNSEEN_ASSUMED = (
    "What the CT does not show is estimated as on slices of 1 mm read by radiologists, in lungs of published"
    " size: nothing else was given."
)


@dataclass(frozen=True)
class Floor:
    """What the protocol demands of one measure of lung function.

    Parameters
    ----------
    model
        The patient's model of it.
    after_percent_min, recovered_percent_min
        Percent of predicted that its lower bound must keep right after each operation, and after full
        recovery; None for no limit.
    unrecovered_percent_max
        Points of percent predicted that may still have to come back before the next operation, expected
        value; None for no limit.
    """

    model: FunctionModel
    after_percent_min: float | None
    recovered_percent_min: float | None
    unrecovered_percent_max: float | None = None

    @property
    def name(self) -> str:
        """FEV1 or DLCO."""
        return self.model.measure.upper()


@dataclass(frozen=True, eq=False)
class StagingProblem:
    """Everything that decides a plan.

    Parameters
    ----------
    specimens
        What to take out.
    lesions
        Every lesion, also those that no specimen removes.
    function
        FEV1 of the patient; its confidence is the protocol's.
    function_assumed
        Which of FEV1, predicted FEV1, lung volume and DLCO are assumed and not measured.
    protocol
        The limits.
    regimen
        How a lung is perfused, or None for no perfusion.
    access_minutes, access_minutes_both
        Minutes to open and close one side, and both in one operation.
    perfusion_minutes
        Minutes that a perfusion adds.
    reentry_minutes
        Minutes that freeing a lung adds where it has been operated on before.
    operated
        The lungs that have been operated on before the first operation of the plan.
    warnings
        What earlier phases want the plan's reader to know.
    evidence_ids
        Evidence that earlier phases rest on.
    seed
        Of the packing heuristic. The same problem with the same seed gives the same plan.
    patient
        DLCO, each lung's part, the lobes, earlier resections and exercise tests, for limits of DLCO and the
        plan's summary of function; None where only FEV1 is known.
    least_operations
        How many operations each lung needs at least, whichever specimens are chosen. None where the specimens
        are given and not chosen. A problem made from this one with other limits or lesions does not claim it.
    perfusions
        How many of each lung's last operations are perfused, or may be where that is weighed; None for as
        many as the protocol allows, and where it allows fewer in all than for each lung, for the solver to
        choose.
    assignments
        What the surgeon fixes and forbids.
    unseen
        What the burden of metastases that the CT does not show is estimated from; None where nothing is
        known of that: see :attr:`basis`.
    estimates
        What has been estimated of it, or of the problem that it was made from.
    targets
        What of a lung its perfusions reach, by name, where that is settled. Of another lung it is what the
        solver finds best of the protocol's targets where the goals weigh perfusions, and their first
        otherwise.

    Raises
    ------
    CaseError
        If an assignment names a lesion that is not in the table.
    PerfusionError
        If a target is not one of its lung.
    ValueError
        If a specimen holds a lesion that is unknown or on another side than the specimen.
    """

    specimens: SpecimenSet
    lesions: LesionTable
    function: FunctionModel
    function_assumed: tuple[MeasuredFunction, ...]
    protocol: Protocol
    regimen: Regimen | None
    access_minutes: float
    access_minutes_both: float
    perfusion_minutes: float
    reentry_minutes: float
    operated: frozenset[Side] = frozenset()
    warnings: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    seed: int = 0
    patient: PatientFunction | None = None
    least_operations: LeastOperations | None = None
    perfusions: Mapping[Side, int] | None = None
    assignments: tuple[Assignment, ...] = ()
    unseen: Unseen | None = None
    targets: Mapping[Side, str] = field(default_factory=dict)
    estimates: Estimates = field(default_factory=Estimates, repr=False, compare=False)

    def __post_init__(self) -> None:
        side_of = dict(zip(self.lesions.id.tolist(), self.lesions.side.tolist(), strict=True))
        for number, side, group in zip(
            self.specimens.id.tolist(), self.specimens.side.tolist(), self.specimens.lesions, strict=True
        ):
            for lesion in group:
                if side_of.get(lesion) != side:
                    raise ValueError(f"specimen {number}: lesion {lesion} is not one of the {side} lung's")
        unknown = set(self.specimens.unresectable) - set(side_of)
        if unknown:
            raise ValueError(f"unresectable lesions that are not in the table: {sorted(unknown)}")
        check_lesions(self.assignments, side_of)
        for lung, target in self.targets.items():
            find_target(target, lung)

    @classmethod
    def build(
        cls,
        book: EvidenceBook,
        *,
        specimens: SpecimenSet,
        lesions: LesionTable,
        function: FunctionModel,
        protocol: Protocol,
        regimen: Regimen | None = None,
        operated: frozenset[Side] | None = None,
        function_assumed: tuple[MeasuredFunction, ...] = (),
        warnings: tuple[str, ...] = (),
        evidence_ids: tuple[str, ...] = (),
        seed: int = 0,
        patient: PatientFunction | None = None,
        assignments: tuple[Assignment, ...] = (),
        unseen: Unseen | None = None,
    ) -> StagingProblem:
        """Return the problem with the minutes of access, perfusion and re-entry from the evidence.

        Parameters
        ----------
        book
            The evidence, with the protocol's own assumptions: :meth:`Protocol.book`.
        operated
            As in the class; from the patient's earlier resections if left out.
        specimens, lesions, function, protocol, regimen, function_assumed, patient
            As in the class.
        warnings, evidence_ids, seed, assignments, unseen
            As in the class.

        Raises
        ------
        EvidenceError
            If the book has no minutes for access, perfusion or re-entry.
        """
        return cls(
            specimens=specimens,
            lesions=lesions,
            function=function,
            function_assumed=function_assumed,
            protocol=protocol,
            regimen=regimen,
            access_minutes=book.value(ACCESS_EVIDENCE, unit="min"),
            access_minutes_both=access_minutes_both(protocol, book),
            perfusion_minutes=book.value(PERFUSION_EVIDENCE, unit="min"),
            reentry_minutes=book.value(REENTRY_EVIDENCE, unit="min"),
            operated=operated_before(patient) if operated is None else operated,
            warnings=warnings,
            evidence_ids=evidence_ids,
            seed=seed,
            patient=patient,
            assignments=assignments,
            unseen=unseen,
        )

    def loss(self, rows: Sequence[int], *, perfused: bool, model: FunctionModel | None = None) -> Loss:
        """Return what an operation that takes these specimens loses, of FEV1 unless told otherwise.

        Specimens of both lungs mean that both are opened: access takes its part of function twice. A
        perfusion takes its part by the share of the lung that it reaches.
        """
        chosen = np.asarray(rows, dtype=np.intp)
        opened = [side for side in SIDES if (self.specimens.side[chosen] == side).any()]
        reached = max((perfused_share(self, side) for side in opened), default=1.0)
        volume_ml = self.specimens.volume_ml[chosen]
        model = model or self.function
        loss = model.loss(
            float(volume_ml.sum()),
            perfused=reached if perfused else 0.0,
            anatomical_ml=float(volume_ml[self.specimens.anatomical[chosen]].sum()),
        )
        if len(opened) < len(SIDES):
            return loss
        return Loss(permanent=loss.permanent, early=loss.early + model.early_access)

    @property
    def floors(self) -> tuple[Floor, ...]:
        """What the protocol demands of FEV1, and of DLCO where it limits that.

        Raises
        ------
        CaseError
            If DLCO is limited and was not measured.
        """
        limits = self.protocol.function
        fev1 = Floor(
            self.function,
            limits.fev1_after_percent_min,
            limits.ppo_fev1_percent_min,
            limits.fev1_unrecovered_percent_max,
        )
        dlco = (limits.dlco_after_percent_min, limits.ppo_dlco_percent_min)
        if dlco == (None, None):
            return (fev1,)
        if self.patient is None or not self.patient.dlco_known:
            raise CaseError(
                "function.dlco_percent",
                "is not known, and the protocol limits DLCO: measure it, or leave"
                " function.dlco_after_percent_min and function.ppo_dlco_percent_min out of the protocol",
            )
        return fev1, Floor(self.patient.lungs.dlco, *dlco)

    @cached_property
    def function_shares(self) -> Mapping[str, float]:
        """What share of its lung's function each target has that is there, 0 to 1, by name."""
        return function_shares(self.unseen, self.protocol.book())

    @property
    def perfusions_per_lung(self) -> int:
        """How many of each lung's last operations may be perfused."""
        return 0 if self.regimen is None else self.protocol.perfusion.per_lung_max

    @property
    def perfusions_in_all(self) -> int:
        """How many perfusions the protocol allows both lungs together, by number and by drug."""
        limits, each = self.protocol.perfusion, self.perfusions_per_lung
        allowed = [each * len(SIDES)]
        if limits.total_max is not None:
            allowed.append(limits.total_max)
        if limits.drug_mg_max is not None and self.regimen is not None:
            allowed.append(int(limits.drug_mg_max / self.regimen.dose_mg + 1e-9))
        return min(allowed)

    @cached_property
    def basis(self) -> Basis | None:
        """What the estimates rest on; None where nothing is said of what is unseen.

        Where goals weigh perfusions and nothing is said, the lesions are taken for all that radiologists saw
        on slices of 1 mm, and the lungs for published ones.
        """
        unseen = Unseen() if self._unseen_assumed else self.unseen
        if unseen is None:
            return None
        regimen = self.regimen if self.perfusions_per_lung else None
        return Basis(
            unseen.seeing(self.lesions),
            self.protocol.assumptions,
            self.seed,
            regimen,
            targets=named_targets(self),
            dose_by_share=self.protocol.perfusion.lobes_dose == "lung_share",
        )

    @cached_property
    def burden(self) -> OccultBurden | None:
        """How many metastases are unseen, after all that was found by hand; None as for the basis."""
        return None if self.basis is None else self.estimates.burden(self.basis)

    @cached_property
    def benefit(self) -> Benefit | None:
        """What perfusing either lung spares and may cost; None as for the basis.

        Raises
        ------
        CaseError, PerfusionError
            As for :func:`~clearlung.perfusion.weigh_perfusions`.
        """
        return None if self.basis is None else self.estimates.benefit(self.basis)

    @property
    def cautions(self) -> tuple[str, ...]:
        """The warnings, and what was assumed of what is unseen."""
        return (*self.warnings, _UNSEEN_ASSUMED) if self._unseen_assumed else self.warnings

    @property
    def _unseen_assumed(self) -> bool:
        perfuses = self.regimen is not None and self.perfusions_per_lung > 0
        return self.unseen is None and perfuses and self.protocol.goals.weighs_perfusion

    @property
    def weighs_perfusion(self) -> bool:
        """Whether the solver chooses which operations are perfused, by what that spares and costs."""
        return self.basis is not None and self.protocol.goals.weighs_perfusion and self.regimen is not None

    def perfusions_on(self, side: Side) -> int:
        """How many of a lung's last operations are perfused."""
        return self.perfusions_per_lung if self.perfusions is None else self.perfusions[side]


def access_minutes_both(protocol: Protocol, book: EvidenceBook) -> float:
    """Return the minutes to open and close both sides in one operation, the protocol's way."""
    approach = protocol.per_operation.both_sides_approach
    return OperationModel.from_evidence(book).access_minutes(approach, sides=len(SIDES))


def operated_before(patient: PatientFunction | None) -> frozenset[Side]:
    """Return the lungs that the patient's earlier resections opened."""
    earlier = () if patient is None else patient.earlier
    return frozenset(side for side in SIDES if operated(earlier, side))
