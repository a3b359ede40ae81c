"""The wire between the referee and a student's process: framed messages of plain data.

Never pickle: reading a message can build None, bools, numbers, strings, bytes, lists, tuples, sets,
dictionaries, tensors, NumPy arrays, dtypes, devices, and generators, and can do nothing else. Every
value is one tag byte and its content; lengths come before contents and are checked against what is
there and against the limits before anything is built. Floats keep their bits.

A callable never crosses. The side that has it keeps it in a table and sends its number.

>>> from autograder.referee.limits import Limits
>>> codec = Codec(Limits())
>>> codec.decode(codec.encode({"w": (1, 2.5, None)}))
{'w': (1, 2.5, None)}
>>> codec.decode(b"?")
Traceback (most recent call last):
autograder.referee.wire.Malformed: unknown tag b'?' in a message
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from autograder.referee.limits import Limits

MAX_DIMENSIONS = 16
MAX_DIMENSION = 2**31
MAX_INT_BYTES = 512

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        *(torch.uint16, torch.uint32, torch.uint64, torch.complex64, torch.complex128),
    )
}
MUTABLE = (torch.Tensor, np.ndarray, list, dict, set, torch.Generator)

_U8, _U32, _U64 = struct.Struct("<B"), struct.Struct("<I"), struct.Struct("<Q")
_F64, _C128 = struct.Struct("<d"), struct.Struct("<dd")


class Unsendable(TypeError):
    """A value that is no plain data; the message names its type."""


class Malformed(Exception):
    """A message that breaks the format or a limit. It ends the session that sent it."""


class Closed(Exception):
    """The other side is gone."""


class TimedOut(Exception):
    """The other side did not answer in time."""


class Codec:
    """Turn values into bytes and back, within limits.

    Args:
        limits: Bounds on what is read; what is sent keeps them too.
        number_of: Gives a callable its number; without it callables cannot be sent.
        callable_of: Makes something callable of a number and a name.
    """

    def __init__(
        self,
        limits: Limits,
        number_of: Callable[[Callable], int] | None = None,
        callable_of: Callable[[int, str], Any] | None = None,
    ):
        self.limits, self.number_of, self.callable_of = limits, number_of, callable_of

    def encode(self, value: Any) -> bytes:
        """Return a value's bytes.

        Raises:
            Unsendable: If it is no plain data, or too large or too deep.
        """
        parts: list[bytes] = []
        self._left = self.limits.message_items
        self._room = self.limits.message_bytes
        self._write(value, parts, self.limits.message_depth)
        return b"".join(parts)

    def _write(self, value: Any, parts: list[bytes], depth: int) -> None:
        self._left -= 1
        if depth < 0:
            raise Unsendable(f"values nested deeper than {self.limits.message_depth}")
        if self._left < 0:
            raise Unsendable(f"more than {self.limits.message_items} values at once")
        write = parts.append
        if value is None:
            write(b"N")
        elif value is True or value is False:
            write(b"T" if value else b"F")
        elif isinstance(value, np.generic):
            array = np.asarray(value)
            self._write_array(array, b"y", parts)
        elif isinstance(value, int):
            content = int.to_bytes(value, (int.bit_length(value) + 8) // 8, "little", signed=True)
            if len(content) > MAX_INT_BYTES:
                raise Unsendable(f"an int of {len(content)} bytes")
            write(b"i" + _U32.pack(len(content)) + content)
        elif isinstance(value, float):
            write(b"f" + _F64.pack(value))
        elif isinstance(value, complex):
            write(b"c" + _C128.pack(value.real, value.imag))
        elif isinstance(value, str):
            self._write_bytes(b"s", str.encode(value, "utf-8", "surrogatepass"), parts)
        elif isinstance(value, bytes | bytearray):
            self._write_bytes(b"b", bytes(value), parts)
        elif isinstance(value, list | tuple | set | frozenset):
            tag = b"l" if isinstance(value, list) else b"t" if isinstance(value, tuple) else b"S"
            write(tag + _U32.pack(len(value)))
            for each in value:
                self._write(each, parts, depth - 1)
        elif isinstance(value, dict):
            write(b"d" + _U32.pack(len(value)))
            for key, each in value.items():
                self._write(key, parts, depth - 1)
                self._write(each, parts, depth - 1)
        elif isinstance(value, torch.Tensor):
            self._write_tensor(value, parts)
        elif isinstance(value, np.ndarray):
            self._write_array(value, b"Y", parts)
        elif isinstance(value, torch.dtype):
            self._write_bytes(b"D", str(value).removeprefix("torch.").encode(), parts)
        elif isinstance(value, torch.device):
            self._write_bytes(b"V", str(value).encode(), parts)
        elif isinstance(value, torch.Generator):
            self._write_bytes(b"G", value.get_state().numpy().tobytes(), parts)
        elif callable(value) and self.number_of is not None:
            name = getattr(value, "__name__", type(value).__name__)
            write(b"C" + _U32.pack(self.number_of(value)))
            self._write_bytes(b"s", str(name)[:100].encode("utf-8", "replace"), parts)
        else:
            raise Unsendable(
                f"a {type(value).__name__} cannot be sent: expected numbers, strings, lists, "
                "tuples, dictionaries, tensors or arrays"
            )

    def _write_bytes(self, tag: bytes, content: bytes, parts: list[bytes]) -> None:
        self._room -= len(content)
        if self._room < 0:
            raise Unsendable(f"more than {self.limits.message_bytes} bytes at once")
        parts += (tag + _U64.pack(len(content)), content)

    def _write_tensor(self, value: torch.Tensor, parts: list[bytes]) -> None:
        name = str(value.dtype).removeprefix("torch.")
        if name not in DTYPES or value.layout is not torch.strided or value.is_meta:
            raise Unsendable(f"a tensor of {value.dtype}, {value.layout} cannot be sent")
        if value.ndim > MAX_DIMENSIONS:
            raise Unsendable(f"a tensor of {value.ndim} dimensions")
        if value.numel() * value.element_size() > self._room:
            raise Unsendable(f"more than {self.limits.message_bytes} bytes at once")
        flags = value.requires_grad | 2 * isinstance(value, torch.nn.Parameter)
        plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        head = [b"X", _U8.pack(len(name)), name.encode(), _U8.pack(flags), _U8.pack(plain.ndim)]
        parts += (*head, *(_U64.pack(size) for size in plain.shape))
        self._write_bytes(b"", content, parts)

    def _write_array(self, value: np.ndarray, tag: bytes, parts: list[bytes]) -> None:
        if value.dtype.kind not in "biufc" or value.dtype.itemsize > 16:
            raise Unsendable(f"an array of {value.dtype} cannot be sent")
        if value.nbytes > self._room:
            raise Unsendable(f"more than {self.limits.message_bytes} bytes at once")
        plain = np.asarray(value).astype(value.dtype.newbyteorder("="), copy=False)
        kind = plain.dtype.str[1:].encode()
        parts += (tag, _U8.pack(len(kind)), kind, _U8.pack(plain.ndim))
        parts += (_U64.pack(size) for size in plain.shape)
        self._write_bytes(b"", plain.tobytes(), parts)

    def decode(self, content: bytes) -> Any:
        """Return the value that some bytes stand for.

        Raises:
            Malformed: If they stand for none, or break a limit.
        """
        reader = _Reader(content, self.limits.message_items)
        value = self._read(reader, self.limits.message_depth)
        if reader.at != len(content):
            raise Malformed(f"{len(content) - reader.at} bytes too many in a message")
        return value

    def _read(self, reader: _Reader, depth: int) -> Any:
        if depth < 0:
            raise Malformed(f"values nested deeper than {self.limits.message_depth}")
        tag = reader.take(1)
        reader.count()
        try:
            match tag:
                case b"N":
                    return None
                case b"T":
                    return True
                case b"F":
                    return False
                case b"i":
                    size = reader.number(_U32, MAX_INT_BYTES)
                    return int.from_bytes(reader.take(size), "little", signed=True)
                case b"f":
                    return _F64.unpack(reader.take(8))[0]
                case b"c":
                    return complex(*_C128.unpack(reader.take(16)))
                case b"s":
                    return reader.block().decode("utf-8", "surrogatepass")
                case b"b":
                    return reader.block()
                case b"l":
                    return [self._read(reader, depth - 1) for _ in range(reader.length())]
                case b"t":
                    return tuple(self._read(reader, depth - 1) for _ in range(reader.length()))
                case b"S":
                    return {self._read(reader, depth - 1) for _ in range(reader.length())}
                case b"d":
                    return {
                        self._read(reader, depth - 1): self._read(reader, depth - 1)
                        for _ in range(reader.length())
                    }
                case b"X":
                    return self._read_tensor(reader)
                case b"Y" | b"y":
                    array = self._read_array(reader)
                    return array if tag == b"Y" else array[()]
                case b"D":
                    return DTYPES[reader.block().decode("ascii")]
                case b"V":
                    return torch.device(reader.block()[:20].decode("ascii"))
                case b"G":
                    state = np.frombuffer(reader.block(), np.uint8).copy()
                    generator = torch.Generator()
                    generator.set_state(torch.from_numpy(state))
                    return generator
                case b"C" if self.callable_of is not None:
                    number = reader.number(_U32, 2**32)
                    name = self._read(reader, 0)
                    if not isinstance(name, str):
                        raise Malformed("a callable without a name")
                    return self.callable_of(number, name)
        except Malformed:
            raise
        except Exception as error:  # whatever torch, NumPy or Python stumble over in such a value
            raise Malformed(f"a value that cannot be built: {type(error).__name__}") from error
        raise Malformed(f"unknown tag {tag!r} in a message")

    def _read_tensor(self, reader: _Reader) -> torch.Tensor:
        dtype = DTYPES[reader.take(reader.number(_U8, 20)).decode("ascii")]
        flags = reader.number(_U8, 4)
        shape, content = reader.shape(), reader.block()
        if math.prod(shape) * dtype.itemsize != len(content):
            raise Malformed(f"a tensor of shape {shape} with {len(content)} bytes")
        if not content:
            tensor = torch.empty(shape, dtype=dtype)
        else:
            tensor = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            if dtype is torch.bool:
                tensor = tensor.ne(0).reshape(shape)
            else:
                tensor = tensor.view(dtype).reshape(shape)
        if flags & 2:
            return torch.nn.Parameter(tensor, requires_grad=bool(flags & 1))
        return tensor.requires_grad_() if flags & 1 else tensor

    def _read_array(self, reader: _Reader) -> np.ndarray:
        kind = reader.take(reader.number(_U8, 4)).decode("ascii")
        if kind[0] not in "biufc":
            raise Malformed(f"an array of {kind!r}")
        dtype = np.dtype(kind)
        shape, content = reader.shape(), reader.block()
        if math.prod(shape) * dtype.itemsize != len(content):
            raise Malformed(f"an array of shape {shape} with {len(content)} bytes")
        array = np.frombuffer(bytearray(content), np.uint8)
        return (array.astype(bool) if kind == "b1" else array.view(dtype)).reshape(shape)


class _Reader:
    """Bytes that are read from the front, each length checked before it is used."""

    def __init__(self, content: bytes, items: int):
        self.content, self.at, self.items = memoryview(content), 0, items

    def take(self, size: int) -> bytes:
        if size > len(self.content) - self.at:
            raise Malformed(f"a message ends {size - len(self.content) + self.at} bytes early")
        self.at += size
        return bytes(self.content[self.at - size : self.at])

    def count(self) -> None:
        self.items -= 1
        if self.items < 0:
            raise Malformed("too many values in a message")

    def number(self, form: struct.Struct, below: int) -> int:
        value = form.unpack(self.take(form.size))[0]
        if value > below:
            raise Malformed(f"{value} where at most {below} is allowed")
        return value

    def length(self) -> int:
        return self.number(_U32, self.items)

    def block(self) -> bytes:
        return self.take(self.number(_U64, len(self.content)))

    def shape(self) -> tuple[int, ...]:
        return tuple(
            self.number(_U64, MAX_DIMENSION) for _ in range(self.number(_U8, MAX_DIMENSIONS))
        )


class Channel:
    """A stream socket that carries messages.

    Args:
        sock: A connected stream socket.
        codec: How values become bytes.
    """

    def __init__(self, sock: socket.socket, codec: Codec):
        self.sock, self.codec = sock, codec
        self._poll = select.poll()

    def send(self, message: Any, deadline: float | None = None) -> None:
        """Send a message.

        Raises:
            Closed: If the other side is gone.
            TimedOut: If it does not take the message before ``deadline``, in monotonic time.
            Unsendable: If the message is no plain data.
        """
        content = self.codec.encode(message)
        view = memoryview(_U64.pack(len(content)) + content)
        while view:
            self._wait(select.POLLOUT, deadline)
            try:
                view = view[self.sock.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(str(error)) from error

    def receive(self, deadline: float | None = None) -> Any:
        """Return the next message.

        Raises:
            Closed: If the other side is gone.
            TimedOut: If the whole message is not there before ``deadline``.
            Malformed: If it is no message, or too large.
        """
        size = _U64.unpack(self._exactly(8, deadline))[0]
        if size > self.codec.limits.message_bytes + 2**16:
            raise Malformed(f"a message of {size} bytes")
        return self.codec.decode(self._exactly(size, deadline))

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        content = bytearray()  # grows with what arrives, not with what is announced
        while len(content) < size:
            self._wait(select.POLLIN, deadline)
            try:
                part = self.sock.recv(min(size - len(content), 2**20), socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed("the connection was closed")
            content += part
        return bytes(content)

    def _wait(self, event: int, deadline: float | None) -> None:
        self._poll.register(self.sock, event)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not self._poll.poll(left) and deadline is not None:
            raise TimedOut
