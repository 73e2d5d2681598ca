"""Clearlung plans how to clear the lungs of very many metastases.

The packages follow the surgeon's workflow, each taking the earlier ones' immutable results:
``ct`` → ``anatomy`` → ``nodules`` → ``followup`` → ``resection`` and ``perfusion`` → ``staging`` →
``casefile`` → ``report``. ``evidence`` holds every clinical number, ``phantom`` makes the synthetic
patient, and :mod:`clearlung.workflow` strings the phases together for the command line and notebooks.

This is research software for rehearsing and comparing plans. It decides nothing.
"""

__version__ = "0.1.0"

RESEARCH_NOTICE = (
    "Research software for rehearsing and comparing plans. It is not a medical device and decides nothing."
)
