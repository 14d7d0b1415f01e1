"""llama.cpp's own OpenAI server as a process: ``python -m scheduler.runtime.llamacpp_server --model FILE --port N``.

The server lives in ``xllamacpp``'s extension, as C++ threads; this module sets its parameters and waits for SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="llamacpp_server", description="Serve a GGUF model with an OpenAI-compatible API.")
    parser.add_argument("--model", required=True, help="path of the GGUF file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", action="append", default=[], help="name the model answers to; may be given several times")
    parser.add_argument("--slots", type=int, default=4, help="requests decoded together")
    parser.add_argument("--context", type=int, default=3072, help="tokens of context, shared by all slots")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def server_parameters(options: argparse.Namespace) -> Any:
    """llama.cpp's parameters: memory-mapped weights, one unified cache, and nothing kept for idle slots."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.hostnames = [options.host]
    parameters.port = options.port
    parameters.model_alias = set(options.alias)
    parameters.n_parallel = options.slots
    parameters.n_ctx = options.context
    parameters.kv_unified = True
    parameters.n_batch = parameters.n_ubatch = 128
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.threads
    parameters.n_threads_http = options.slots * 2 + 4
    parameters.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
    # Repacked weights are a private copy of 98 MB per engine; plain ones are mapped once for all engines of a machine.
    parameters.no_extra_bufts = True
    parameters.cache_ram_mib = 0
    parameters.n_ctx_checkpoints = 0
    parameters.endpoint_metrics = True
    parameters.ui = False
    parameters.fit_params = False
    parameters.warmup = False
    parameters.verbosity = 1
    return parameters


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    import sys

    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    if not Path(options.model).is_file():
        raise SystemExit(f"--model: no such file: {options.model}")
    import xllamacpp

    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = xllamacpp.Server(server_parameters(options))
    log.info("llamacpp_started", address=server.listening_address, model=options.model)
    number = signal.sigwait(signals)
    log.info("llamacpp_stopped", signal=signal.Signals(number).name)


if __name__ == "__main__":
    main()
