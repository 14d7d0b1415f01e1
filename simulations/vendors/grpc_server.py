"""The same as ``server``, for vendors that speak gRPC: calls by their full name, statuses instead of HTTP, trouble on order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from simulations.vendors.answers import Asked
from simulations.vendors.server import FakeVendor, Trouble

THREADS = 8
SLOW_S = 30.0
STOP_S = 1.0


@dataclass(frozen=True)
class Refused(Exception):
    """A call's end with a status. ``details`` is the serialised ``google.rpc.Status`` that vendors attach, empty for none."""

    code: grpc.StatusCode
    message: str
    details: bytes = b""


@dataclass(frozen=True)
class Call:
    """One method: how a request is read, and what answers it with a message."""

    request: Any
    action: Callable[[Asked], Any]


class GrpcVendor(FakeVendor):
    """Serves methods by path (``/package.Service/Method``) on loopback while entered.

    Args:
        spoilt: how the vendor words a trouble; raised as it is.
    """

    def __init__(self, methods: Mapping[str, Call], refusal: Callable[[Trouble], Refused]) -> None:
        super().__init__([])
        self._methods, self._refusal = methods, refusal
        self._grpc = grpc.server(ThreadPoolExecutor(THREADS))
        self._grpc.add_generic_rpc_handlers((_Handler(self),))
        self._port = self._grpc.add_insecure_port("127.0.0.1:0")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> GrpcVendor:
        self._grpc.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._grpc.stop(grace=STOP_S)
        self._server.server_close()

    def answer(self, path: str, raw: bytes, context: Any) -> bytes:
        """One call: carried out, spoilt or refused."""
        call = self._methods.get(path)
        if call is None:
            self.violations.append(f"no such call: {path}")
            context.abort(grpc.StatusCode.UNIMPLEMENTED, path)
            raise AssertionError("abort raises")
        headers = {name.lower(): str(value) for name, value in context.invocation_metadata()}
        asked = Asked("RPC", path, {}, headers, call.request.FromString(raw), raw=raw)
        self.calls[path] += 1
        mischief = next((each for each in self.mischief if each.takes(asked)), None)
        if mischief is not None and not mischief.after:
            self._break(mischief.trouble, context)
        answer = self._carried_out(call, asked, context)
        if mischief is not None:
            self._break(mischief.trouble, context)
        return answer

    def _carried_out(self, call: Call, asked: Asked, context: Any) -> bytes:
        try:
            answer: bytes = call.action(asked).SerializeToString()
        except Refused as refused:
            _end(context, refused)
        except Exception as error:
            self.violations.append(f"{asked.path}: {type(error).__name__}: {error}")
            context.abort(grpc.StatusCode.INTERNAL, str(error))
        return answer

    def _break(self, trouble: Trouble, context: Any) -> None:
        if trouble is Trouble.SLOW:
            until = time.monotonic() + SLOW_S
            while context.is_active() and time.monotonic() < until:
                time.sleep(0.05)
        _end(context, self._refusal(trouble))


class _Handler:
    """Finds the method of a call; gRPC asks for nothing but ``service``."""

    def __init__(self, vendor: GrpcVendor) -> None:
        self._vendor = vendor

    def service(self, handler_call_details: Any) -> Any:
        path = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(lambda raw, context: self._vendor.answer(path, raw, context))


def _end(context: Any, refused: Refused) -> None:
    if refused.details:
        context.set_trailing_metadata((("grpc-status-details-bin", refused.details),))
    context.abort(refused.code, refused.message)
