"""What the cluster tests run."""

from launcher.cluster.snapshot import ROOT

QUICK = ROOT / "configs" / "quickstart.yaml"
SMALL = (  # of the quickstart: its whole corpus, once, and little more
    "data.epochs=1",
    "data.ray_from_mb=0",  # so that the cluster builds it
    "train.num_steps=4",
    "model.from_scratch.hidden_size=64",
    "model.from_scratch.num_layers=2",
    "eval.max_samples_per_task=2",
    "eval.max_new_tokens=8",
    "eval.robustness=0",
    "eval.bootstrap_samples=50",
    "eval.safety=0",
)
