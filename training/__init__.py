"""How the network that tells nodules from everything else is trained: ``python -m training FOLDER ...``."""
