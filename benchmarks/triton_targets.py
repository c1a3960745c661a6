"""Registers of the selective scan's Triton kernels on three generations of GPUs, compiled without one.

A register that does not fit is spilled to the stack, which is local memory: a stack of 0 bytes means no spills.
  PYTHONPATH=. python benchmarks/triton_targets.py --out results/reference/triton_targets.json
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.models.mambairv2 import scan_triton
from rssr.models.mambairv2.selective_scan import CHUNK

TARGETS = (80, 90, 100)  # A100, H100, B200
STATES = 16  # of MambaIRv2
PRECISIONS = {"fp32": tl.float32, "fp64": tl.float64}
KERNELS = {"forward": (scan_triton._forward, {"KEEP": True}), "backward": (scan_triton._backward, {})}


def resources(kernel: triton.JITFunction, more: dict, precision: str, capability: int) -> dict[str, int]:
    """Registers per thread, bytes of stack per thread and of shared memory per block, as cuobjdump reads the cubin."""
    constants = more | {"T": CHUNK, "N": STATES, "WORK": PRECISIONS[precision]}
    kinds = {name: f"*{precision}" if name.endswith("_ptr") else "i32" for name in kernel.arg_names}
    source = ASTSource(kernel, kinds | dict.fromkeys(constants, "constexpr"), constexprs=constants)
    target = GPUTarget("cuda", capability, 32)
    compiled = triton.compile(source, target=target, options={"num_warps": scan_triton.WARPS})
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(compiled.asm["cubin"])
        command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", shown).groups()
    return {"registers": int(registers), "stack_bytes": int(stack), "shared_bytes": compiled.metadata.shared}


def main() -> None:
    """Compile for every target and write what the kernels take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out, found = parser.parse_args().out, {}
    for capability in TARGETS:
        for name, (kernel, more) in KERNELS.items():
            for precision in PRECISIONS:
                key = f"sm_{capability}, {name}, {precision}"
                found[key] = resources(kernel, more, precision, capability)
                print(f"{key}: {found[key]}", flush=True)
    facts = {"triton": triton.__version__, "states": STATES, "tokens": CHUNK, "warps": scan_triton.WARPS}
    write_json(out, made_by(**facts, kernels=found))


main()
