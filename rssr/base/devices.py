"""The device that a script computes on, and in which precision."""

import argparse

import torch

from rssr.base.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --device and --threads to a script's options."""
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")


def prepare(arguments: argparse.Namespace) -> torch.device:
    """Set threads and precision as the options say: fp32 is fp32, without TF32 on a GPU; the device.

    UserError for a GPU that is not there.
    """
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(
            f"--device {arguments.device}: PyTorch finds no CUDA device here", "use --device cpu, or leave it out"
        )
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(arguments.device)
