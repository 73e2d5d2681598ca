"""A stand-in of MONAI, and a bundle with the settings of lung_nodule_ct_detection that matter here.

The stand-in has the interface that MONAI documents: ``python -m monai.bundle run`` merges the settings files
in order, ``#`` goes into them, and the saver writes center-and-size boxes in mm of the frame that
``affine_lps_to_ras`` names. It finds the bright balls in the image that it is given, with SimpleITK alone.
"""

import json
import textwrap

BUNDLE_RUN = """
import ast, json, os, sys
import numpy as np
import SimpleITK as sitk

arguments = sys.argv[1:]
assert arguments[0] == "run", arguments
options = dict(zip(arguments[-4::2], arguments[-3::2]))
assert set(options) == {"--meta_file", "--config_file"}, arguments
settings = {}
for file in ast.literal_eval(options["--config_file"]):
    for key, value in json.load(open(file)).items():
        *path, last = key.split("#")
        part = settings
        for step in path:
            part = part[int(step)] if isinstance(part, list) else part[step]
        part[int(last) if isinstance(part, list) else last] = value
assert arguments[1] == "evaluating" or "run" in settings
assert os.getcwd() == settings["bundle_root"]
assert os.environ["HF_HUB_OFFLINE"] == "1" and os.environ["https_proxy"]
assert settings["dataloader"]["num_workers"] == 0
assert settings["whether_raw_luna16"] is False

(item,) = settings["test_datalist"]
image = sitk.ReadImage(item["image"])
saver = settings["handlers"][1]
json.dump({"spacing": image.GetSpacing(), "arguments": arguments}, open(os.environ["NOTE"], "w"))
exec(os.environ.get("MISHAP", ""))
bright = sitk.ConnectedComponent(image > -300)
shape = sitk.LabelShapeStatisticsImageFilter()
shape.Execute(bright)
whole = settings["postprocessing"]["transforms"]
sign = 1 if whole[1]["affine_lps_to_ras"] else -1
found = []
for label in shape.GetLabels():
    d = shape.GetEquivalentSphericalRadius(label) * 2
    if d < 20:
        x, y, z = shape.GetCentroid(label)
        found.append([sign * x, sign * y, z, d, d, d])
many = len(found)
result = [{"box": found, "label": [0] * many, "label_scores": [0.9] * many, "image": item["image"]}]
with open(os.path.join(settings["output_dir"], saver["filename"]), "w") as file:
    json.dump(result, file, indent=4)
"""

SETTINGS = {
    "whether_raw_luna16": True,
    "bundle_root": ".",
    "output_dir": "$@bundle_root + '/eval'",
    "test_datalist": "$monai.data.load_decathlon_datalist(...)",
    "amp": True,
    "preprocessing": {
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": [0.703125, 0.703125, 1.25]},
        ]
    },
    "dataloader": {"_target_": "DataLoader", "num_workers": 4},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "ClipBoxToImaged"},
            {"_target_": "AffineBoxToWorldCoordinated", "affine_lps_to_ras": False},
            {"_target_": "ConvertBoxModed", "src_mode": "xyzxyz", "dst_mode": "cccwhd"},
        ],
    },
    "handlers": [
        {"_target_": "CheckpointLoader"},
        {"_target_": "scripts.detection_saver.DetectionSaver", "filename": "result_luna16_fold0.json"},
    ],
    "run": ["$@evaluator.run()"],
}
METADATA = {"version": "0.6.9", "task": "CT lung nodule detection", "authors": "MONAI team"}


def install(folder, modules=("monai", "torch", "torchvision", "ignite", "nibabel")):
    """Make stand-in packages in a folder that is put on Python's path."""
    for name in modules:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
    (folder / "monai" / "bundle.py").write_text(textwrap.dedent(BUNDLE_RUN))
    return folder


def write(folder, without=()):
    """Write a bundle; ``without`` are settings that it lacks."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "models" / "model.pt").write_bytes(b"weights")
    settings = {key: value for key, value in SETTINGS.items() if key not in without}
    (folder / "configs" / "inference.json").write_text(json.dumps(settings))
    (folder / "configs" / "metadata.json").write_text(json.dumps(METADATA))
    return folder
