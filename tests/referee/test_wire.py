"""Plain data crosses the wire unchanged; nothing else does, and damage is noticed."""

import contextlib
import math
import random
import socket
import struct
import threading
import time

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from autograder.referee.limits import Limits
from autograder.referee.wire import (
    DTYPES,
    Channel,
    Closed,
    Codec,
    Malformed,
    TimedOut,
    Unsendable,
)

LIMITS = Limits(message_bytes=2**20, message_items=1000, message_depth=8)
codec = Codec(LIMITS)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_data_comes_back_equal_and_of_the_same_types(value):
    back = codec.decode(codec.encode(value))
    assert back == value
    assert repr(back) == repr(value)


@given(st.binary(min_size=8, max_size=8))
def test_floats_keep_their_bits(content):
    value = struct.unpack("<d", content)[0]
    back = codec.decode(codec.encode(value))
    if math.isnan(value):
        assert math.isnan(back)
    else:
        assert struct.pack("<d", back) == content


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_tensors_keep_dtype_shape_and_bits(dtype, shape):
    tensor = torch.zeros(shape, dtype=dtype)
    if tensor.numel():
        tensor.view(-1)[0] = 1
    back = codec.decode(codec.encode(tensor))
    assert back.dtype == dtype and back.shape == tensor.shape
    assert torch.equal(
        back.view(torch.uint8) if back.ndim else back,
        tensor.view(torch.uint8) if tensor.ndim else tensor,
    )


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).reshape(3, 4).T,
        torch.zeros(1).expand(5),
        torch.ones(3, requires_grad=True),
        torch.nn.Parameter(torch.ones(2)),
        torch.tensor([1 + 2j]).conj(),
    ],
    ids=["transposed", "expanded", "requires grad", "parameter", "conjugate"],
)
def test_tensors_of_any_layout(tensor):
    back = codec.decode(codec.encode(tensor))
    assert torch.equal(back, tensor) and back.requires_grad == tensor.requires_grad
    assert type(back) is type(tensor)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "?", "c16", ">f8", "f2"])
def test_arrays_and_scalars(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    back = codec.decode(codec.encode(array))
    assert np.array_equal(back, array) and back.dtype == array.dtype.newbyteorder("=")
    scalar = codec.decode(codec.encode(array[1, 2]))
    assert scalar == array[1, 2] and isinstance(scalar, np.generic)


def test_generators_are_sent_as_their_state():
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    back = codec.decode(codec.encode(generator))
    assert torch.equal(torch.rand(4, generator=back), torch.rand(4, generator=generator))


@pytest.mark.parametrize(
    "value", [torch.bfloat16, torch.device("cpu"), {1, 2}, float("inf"), 2**4000]
)
def test_other_values(value):
    assert codec.decode(codec.encode(value)) == value


def deep(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        type,
        (x for x in ()),
        b"x" * 2**21,
        torch.zeros(2**19),
        torch.zeros(1).expand(2**40),
        np.zeros(2**20),
        np.array([object()]),
        np.array(["text"]),
        list(range(2000)),
        deep(10),
        2**5000,
        torch.zeros(2).to_sparse(),
        torch.zeros(2, device="meta"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_plain_data_or_too_large_is_refused(value):
    with pytest.raises(Unsendable):
        codec.encode(value)


MESSAGES = [
    b"",
    b"?",
    b"NN",
    b"i\xff\xff\xff\xff",
    b"f1234",
    b"s" + struct.pack("<Q", 2**62) + b"x",
    b"s" + struct.pack("<Q", 1) + b"\xff",
    b"l" + struct.pack("<I", 2**32 - 1),
    b"l\x01\x00\x00\x00" * 100_000 + b"N",
    b"d\x01\x00\x00\x00l\x00\x00\x00\x00N",
    b"S\x01\x00\x00\x00l\x00\x00\x00\x00",
    b"X\x07float32\x00\x01" + struct.pack("<QQ", 2**30, 4) + b"abcd",
    b"X\x07float32\x01\x02" + struct.pack("<QQQ", 2**31, 2**31, 0),
    b"X\x05int64\x01\x00" + struct.pack("<Q", 8) + bytes(8),
    b"X\x06object\x00\x00" + struct.pack("<Q", 0),
    b"X\x07float32\x00\xff" + struct.pack("<Q", 1) * 255,
    b"Y\x02O8\x01" + struct.pack("<QQ", 1, 8) + bytes(8),
    b"Y\x03f99\x01" + struct.pack("<QQ", 1, 8) + bytes(8),
    b"D" + struct.pack("<Q", 6) + b"qint32",
    b"V" + struct.pack("<Q", 4) + b"meat",
    b"G" + struct.pack("<Q", 3) + b"abc",
    b"C" + struct.pack("<I", 0) + b"s" + struct.pack("<Q", 1) + b"f",
    b"\x80\x04\x95",
]


@pytest.mark.parametrize("content", MESSAGES, ids=range(len(MESSAGES)))
def test_malformed_messages_are_refused(content):
    with pytest.raises(Malformed):
        codec.decode(content)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_noise_is_a_value_or_refused(content):
    with contextlib.suppress(Malformed):
        codec.decode(content)


def test_a_damaged_message_is_a_value_or_refused():
    rng = random.Random(0)
    whole = codec.encode({"w": torch.ones(3), "t": (1, 2.5, None, "text"), "a": np.ones((2, 2))})
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(Malformed):
            codec.decode(bytes(damaged[: rng.randint(0, len(damaged))]))


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    yield Channel(left, Codec(LIMITS)), Channel(right, Codec(LIMITS))
    left.close()
    right.close()


def test_messages_larger_than_the_socket_arrive_whole(pair):
    left, right = pair
    sent = torch.arange(200_000, dtype=torch.int32)
    thread = threading.Thread(target=left.send, args=(("x", sent),))
    thread.start()
    name, back = right.receive(time.monotonic() + 10)
    thread.join()
    assert name == "x" and torch.equal(back, sent)


def test_announcing_too_much_is_refused_before_it_is_read(pair):
    left, right = pair
    left.sock.send(struct.pack("<Q", 2**60))
    with pytest.raises(Malformed, match="a message of 1152921504606846976 bytes"):
        right.receive()


def test_waiting_ends_at_the_deadline_and_at_the_end(pair):
    left, right = pair
    left.sock.send(b"123")
    with pytest.raises(TimedOut):
        right.receive(time.monotonic() + 0.05)
    left.sock.close()
    with pytest.raises(Closed):
        right.receive(time.monotonic() + 1)
    with pytest.raises(Closed):
        right.send("x")
