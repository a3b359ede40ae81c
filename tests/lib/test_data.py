"""Data sets, splits, the loader, and MNIST's download against a local server."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import data
from lib.data import DownloadError, Loader, Samples, digits, fetch, iris, mnist, parse_idx


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -------------------------------------------------------------------------------- digits and iris


@pytest.mark.parametrize(
    ("load", "shape", "classes", "low", "high"),
    [(digits, (1797, 64), 10, 0.0, 1.0), (iris, (150, 4), 3, 0.1, 7.9)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_data_set(load, shape, classes, low, high, dtype):
    X, y = load(dtype=dtype)
    assert X.shape == shape and X.dtype == dtype
    assert y.shape == shape[:1] and y.dtype == torch.int64
    assert y.unique().tolist() == list(range(classes))
    assert X.min().item() == pytest.approx(low) and X.max().item() == pytest.approx(high)


def test_digits_are_images_of_digits():
    X, y = digits()
    zero, one = X[y == 0].mean(0).view(8, 8), X[y == 1].mean(0).view(8, 8)
    # A zero is empty in the middle, where a one is dark.
    assert zero[3:5, 3:5].mean() < 0.2 < 0.6 < one[3:5, 3:5].mean()


@given(
    n=st.integers(2, 40),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**31),
)
def test_split_shares_out_every_sample_once(n, fraction, seed):
    samples = Samples(torch.arange(2.0 * n).view(n, 2), torch.arange(n))
    size = int(fraction * n + 0.5)
    if not 0 < size < n:
        with pytest.raises(ValueError, match=f"splits {n} samples into {size}"):
            data.split(samples, fraction, generator=seeded(seed))
        return
    first, second = data.split(samples, fraction, generator=seeded(seed))
    assert len(first.y) == size
    assert sorted(first.y.tolist() + second.y.tolist()) == list(range(n))
    for part in (first, second):
        assert torch.equal(part.X[:, 0], 2.0 * part.y)  # features stay with their labels
    again, _ = data.split(samples, fraction, generator=seeded(seed))
    assert torch.equal(first.y, again.y)


def test_split_depends_on_the_seed():
    first, _ = data.split(iris(), 0.8, generator=seeded(0))
    other, _ = data.split(iris(), 0.8, generator=seeded(1))
    assert not torch.equal(first.X, other.X)


def test_standardize_uses_the_training_part_only():
    constant = torch.full((100, 1), 3.0)
    train = Samples(torch.cat([torch.randn(100, 3, generator=seeded(0)) * 5 + 2, constant], 1), ...)
    test = Samples(torch.cat([torch.randn(50, 3, generator=seeded(1)), constant[:50]], 1), ...)
    scaled, other = data.standardize(train, test)
    assert torch.allclose(scaled.X.mean(0), torch.zeros(4), atol=1e-6)
    assert torch.allclose(scaled.X[:, :3].std(0, correction=0), torch.ones(3), atol=1e-5)
    assert torch.equal(scaled.X[:, 3], torch.zeros(100))
    expected = (test.X[:, 0] - train.X[:, 0].mean()) / train.X[:, 0].std(correction=0)
    assert torch.allclose(other.X[:, 0], expected)


# ----------------------------------------------------------------------------------------- loader


@given(n=st.integers(1, 50), batch_size=st.integers(1, 60), seed=st.integers(0, 2**31))
def test_loader_gives_each_sample_once_an_epoch(n, batch_size, seed):
    X = torch.arange(n) * 10
    loader = Loader(X, torch.arange(n), batch_size, generator=seeded(seed))
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader) == -(-n // batch_size)
        sizes = [len(y) for _, y in batches]
        assert sizes[:-1] == [batch_size] * (len(batches) - 1)
        assert sizes[-1] == (n % batch_size or batch_size)
        labels = torch.cat([y for _, y in batches])
        assert sorted(labels.tolist()) == list(range(n))
        assert torch.equal(torch.cat([X for X, _ in batches]), labels * 10)


def test_loader_reshuffles_and_repeats_from_the_same_seed():
    def epochs(seed: int) -> list[list[int]]:
        loader = Loader(torch.zeros(100), torch.arange(100), 32, generator=seeded(seed))
        return [torch.cat([y for _, y in loader]).tolist() for _ in range(3)]

    first, second, third = epochs(0)
    assert first != second and second != third and first != list(range(100))
    assert epochs(0) == [first, second, third]
    assert epochs(1)[0] != first


def test_loader_without_generator_keeps_the_order():
    loader = Loader(torch.arange(7.0), torch.arange(7), 3)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2], [3, 4, 5], [6]]


def test_loader_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    list(Loader(torch.zeros(9), torch.zeros(9), 2, generator=seeded(0)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("n_X", "n_y", "batch_size", "message"),
    [
        (3, 4, 1, "X has 3 samples and y has 4"),
        (0, 0, 1, "no samples"),
        (3, 3, 0, "at least 1, not 0"),
    ],
)
def test_loader_refuses(n_X, n_y, batch_size, message):
    with pytest.raises(ValueError, match=message):
        Loader(torch.zeros(n_X), torch.zeros(n_y), batch_size)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_loader_keeps_data_on_the_gpu_in_the_cpu_order():
    samples = digits()
    on_gpu = samples.to("cuda")
    pairs = zip(
        Loader(*samples, 64, generator=seeded(0)),
        Loader(*on_gpu, 64, generator=seeded(0)),
        strict=True,
    )
    for (X, y), (X_gpu, y_gpu) in pairs:
        assert X_gpu.is_cuda and y_gpu.is_cuda
        assert torch.equal(X, X_gpu.cpu()) and torch.equal(y, y_gpu.cpu())


# ------------------------------------------------------------------------------------------ MNIST


def idx(values: torch.Tensor) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + bytes(values.flatten().tolist())


@given(st.lists(st.integers(0, 5), min_size=0, max_size=3), st.integers(0, 255))
def test_parse_idx_reads_what_was_written(shape, value):
    values = torch.full(shape, value, dtype=torch.uint8)
    assert torch.equal(parse_idx(idx(values)), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Not an IDX file"),
        (b"<!DOCTYPE html>", "Not an IDX file.*3c 21 44 4f"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00\x00\x00\x00", "Not an IDX file of unsigned bytes"),
        (b"\x00\x00\x08\x03\x00\x00", "header is cut off: 6 of 16"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03ab", r"sizes \(3,\), 3 values, and holds 2"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x01ab", r"sizes \(1,\), 1 values, and holds 2"),
    ],
)
def test_parse_idx_refuses(content, message):
    with pytest.raises(ValueError, match=message):
        parse_idx(content)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder with a tiny MNIST, served over HTTP on this machine, and its address."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    generator = seeded(0)
    checksums = {}
    for part, n in (("train", 6), ("t10k", 4)):
        images = torch.randint(256, (n, 28, 28), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (n,), dtype=torch.uint8, generator=generator)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            content = gzip.compress(idx(values), mtime=0)
            name = f"{part}-{name}-ubyte.gz"
            (folder / name).write_bytes(content)
            checksums[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(data, "CHECKSUMS", checksums)

    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *arguments):
            requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.folder = folder
    server.requests = requests
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    # A proxy of the surroundings must not be asked for this machine.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


# Nothing listens on port 1.
NOWHERE = "http://127.0.0.1:1/"


def test_checksums_name_the_four_files():
    assert len(data.CHECKSUMS) == 4
    assert all(len(bytes.fromhex(each)) == 32 for each in data.CHECKSUMS.values())


def test_mnist_downloads_once_and_then_uses_the_cache(mirror, cache):
    X, y = mnist(folder=cache, mirrors=[mirror.url])
    assert X.shape == (6, 784) and X.dtype == torch.float32
    assert y.shape == (6,) and y.dtype == torch.int64
    raw = parse_idx(gzip.decompress((mirror.folder / "train-images-idx3-ubyte.gz").read_bytes()))
    assert torch.equal(X, raw.flatten(1).float() / 255)
    assert sorted(p.name for p in cache.iterdir()) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    asked = len(mirror.requests)
    again = mnist(folder=cache, mirrors=[NOWHERE])  # no network needed any more
    assert torch.equal(again.X, X) and len(mirror.requests) == asked == 2
    assert mnist(train=False, folder=cache, mirrors=[mirror.url]).X.shape == (4, 784)


def test_mnist_reads_a_folder_by_its_file_address(mirror, cache):
    X, _ = mnist(folder=cache, mirrors=[mirror.folder.as_uri()], dtype=torch.float64)
    assert X.dtype == torch.float64 and not mirror.requests


def test_mnist_tries_the_next_mirror(mirror, cache):
    X, _ = mnist(folder=cache, mirrors=[NOWHERE, mirror.url + "missing/", mirror.url])
    assert len(X) == 6


def test_a_wrong_download_is_refused_and_not_kept(mirror, cache):
    name = "train-images-idx3-ubyte.gz"
    (mirror.folder / name).write_bytes(b"something else")
    with pytest.raises(DownloadError, match=f"{name}: 14 bytes with a wrong SHA-256"):
        mnist(folder=cache, mirrors=[mirror.url])
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("mirrors", ["good", "none"])
def test_a_damaged_cache_file_is_removed_and_fetched_anew(mirror, cache, mirrors):
    name = "t10k-labels-idx1-ubyte.gz"
    good = fetch(name, cache, [mirror.url])
    (cache / name).write_bytes(good[:-1])
    if mirrors == "good":
        assert fetch(name, cache, [mirror.url]) == good == (cache / name).read_bytes()
    else:
        with pytest.raises(DownloadError):
            fetch(name, cache, [NOWHERE])
        assert not (cache / name).exists()


def test_offline_message_says_what_was_tried_and_what_to_do(cache):
    with pytest.raises(DownloadError) as caught:
        mnist(folder=cache, mirrors=[NOWHERE, "nonsense"])
    message = str(caught.value)
    for part in (NOWHERE, "refused", "nonsense", "lib.data.digits()", str(cache)):
        assert part in message
    for name in data.CHECKSUMS:
        assert name in message


def test_an_interrupted_write_leaves_nothing_behind(mirror, cache, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lib.files.os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        fetch("t10k-labels-idx1-ubyte.gz", cache, [mirror.url])
    assert not list(cache.iterdir())


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.default_cache() == tmp_path / "descent" / "mnist"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data.default_cache() == tmp_path / "home" / ".cache" / "descent" / "mnist"
