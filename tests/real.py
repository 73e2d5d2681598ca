"""Real scans with radiologists' annotations, and what the main job makes of them."""

from dataclasses import dataclass
from pathlib import Path

from clearlung.anatomy import SIDES
from clearlung.nodules import NoduleTable
from clearlung.result_folder import write_result
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest, make_plan

SCANS = {
    "LIDC-IDRI-0001": "ct.nii.gz",
    "LIDC-IDRI-0003": "dicom",
    "QIN-LSC-0014": "ct.nii.gz",
    "QIN-LSC-0028": "ct.nii.gz",
    "QIN-LSC-0088": "ct.nii.gz",
}


@dataclass(frozen=True)
class RealPlan:
    """What tests look at: the nodules, the lungs' sizes, and the folder with everything that was written."""

    nodules: NoduleTable
    lung_ml: dict[str, float]
    folder: Path


def plan_real_scan(scans: Path, name: str, folder: Path) -> RealPlan:
    """Plan one of SCANS as the command does, at the usual operating point of the detector."""
    result = make_plan(PlanRequest(source=scans / name / SCANS[name], protocol=load_protocol("high-volume")))
    write_result(result, folder, command="test", options={}, replace=True)
    return RealPlan(
        result.nodules.with_columns(labels=None),
        {side: result.anatomy.lung_ml(side) for side in SIDES},
        folder,
    )
